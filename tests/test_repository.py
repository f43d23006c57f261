"""Rules of the house that a machine can check over the whole repository."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from videovector_operator.api.kinds import BY_KIND
from videovector_operator.control.process import parse_resource

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "operator" / "videovector_operator"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_BYTES = 1024 * 1024
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "service", "common"}
ALLOWED = {PACKAGE / "api" / "v1alpha1" / "common.py"}
# Put together here, so that this file does not hold what it forbids.
PACKAGE_REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w./-])/(?:" + r"work|root|home/[a-z]+" + r")(?:/|(?=[\"'\s]|$))", re.MULTILINE)


def tracked() -> list[Path]:
    """Files under version control that are there."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout: which files are tracked is not known")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_the_source_folder_is_no_package() -> None:
    """With an __init__.py it would hide the standard library's module of the same name."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(ast.parse(path.read_bytes()))]
    assert silent == []


def test_files_are_short() -> None:
    """Those of the package, and those of its tests, tools and benchmarks."""
    files = [path for path in tracked() if path.suffix == ".py"]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without those of its docstring."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def test_functions_are_short() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": length_of(node)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length_of(node) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = [path for path in MODULES if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES]
    assert set(named) <= ALLOWED


def test_no_file_is_big() -> None:
    assert {str(path): size for path in tracked() if (size := path.stat().st_size) > MAX_BYTES} == {}


def test_nothing_is_unfinished() -> None:
    mark = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    found = [str(name) for name, text in texts() if name.suffix in {".py", ".go", ".yaml", ".md"} and mark.search(text)]
    assert found == []


def test_no_package_registry_is_named() -> None:
    found = [(str(name), host) for name, text in texts() for host in PACKAGE_REGISTRIES if host in text]
    assert found == []


def test_no_path_of_a_machine_is_named() -> None:
    found = [
        (str(name), match.group())
        for name, text in texts()
        if name != Path("tests/test_repository.py")
        for match in [MACHINE_PATHS.search(text)]
        if match
    ]
    assert found == []


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_by_hash_and_name_no_place(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,._-]+\])?==[^\s;]+", line), line
        assert "--hash=sha256:" in line, line
        assert "://" not in line, line


EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_are_objects_that_we_understand(path: Path) -> None:
    documents = [d for d in yaml.safe_load_all(path.read_text(encoding="utf-8")) if d]
    assert documents
    for document in documents:
        assert {"apiVersion", "kind"} <= set(document)
        if document["apiVersion"].startswith("videovector.io/"):
            spec = parse_resource(document["kind"], document).spec
            written = spec.model_dump(mode="json", by_alias=True)
            assert set(document["spec"]) <= set(written), "a field that no model knows"


def test_every_kind_has_an_example() -> None:
    kinds = {
        document["kind"]
        for path in EXAMPLES
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document and str(document.get("apiVersion", "")).startswith("videovector.io/")
    }
    assert set(BY_KIND) <= kinds
