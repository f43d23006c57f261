"""What the documentation says is there, and what is there is documented: fields, words, settings, metrics, links, commands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import MARKDOWN, ROOT, of, written_manifests
from tests.support.pages import PAGES as EVERYTHING
from videovector_operator.api.crd import build_schema
from videovector_operator.api.kinds import KINDS
from videovector_operator.api.v1alpha1.reasons import ConditionType, FileReason, Phase, Reason
from videovector_operator.catalog.outcome import RunEvent
from videovector_operator.control.metrics import Metrics
from videovector_operator.control.process import parse_resource
from videovector_operator.core.file_filter import FileFilter
from videovector_operator.core.media_types import MEDIA_TYPES
from videovector_operator.settings import Settings

DOCS = ROOT / "docs"
PAGES = {info.kind: (DOCS / "kinds" / f"{info.singular}.md").read_text(encoding="utf-8") for info in KINDS}
Json = dict[str, Any]


def fields(schema: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Every field below a node as ``spec.s3.bucket`` or ``status.sample[].path``. Conditions are Kubernetes' own type."""
    for name, child in (schema.get("properties") or {}).items():
        here = f"{path}.{name}"
        yield here, child
        if name != "conditions":
            yield from fields(child, here)
            yield from fields(child.get("items") or {}, f"{here}[]")


FIELDS = {
    info.kind: {
        path: schema
        for part in ("spec", "status")
        for path, schema in fields(build_schema(info)["properties"][part], part)
    }
    for info in KINDS
}


def row_of(page: str, name: str) -> str:
    """The line of a table whose first cell is the name."""
    return next((line for line in page.splitlines() if line.startswith(f"| `{name}` |")), "")


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, found in FIELDS.items() for path in found])
def test_every_field_is_on_its_page_with_its_default(kind: str, path: str) -> None:
    row = row_of(PAGES[kind], path)
    assert row, f"docs/kinds/{kind.lower()}.md has no row for {path}"
    default = FIELDS[kind][path].get("default")
    if default is not None:
        written = {True: "true", False: "false", "": '""'}.get(default) if isinstance(default, bool | str) else None
        told = f"`[{', '.join(default)}]`" if isinstance(default, list) else f"`{written or default}`"
        assert told in row


@pytest.mark.parametrize("path", MARKDOWN, ids=of)
def test_no_field_is_made_up(path: Path) -> None:
    known = {field for found in FIELDS.values() for field in found}
    told = set(re.findall(r"`((?:spec|status)\.[A-Za-z0-9.\[\]]+)`", EVERYTHING[path]))
    assert told - known - {"status.phase"} == set()


WORDS = [word.value for words in (Reason, FileReason, ConditionType, Phase, RunEvent) for word in words]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_vocabulary_is_documented(word: str) -> None:
    assert f"`{word}`" in EVERYTHING[DOCS / "reasons.md"]


@pytest.mark.parametrize("reason", list(FileReason))
def test_every_file_reason_says_what_it_means(reason: FileReason) -> None:
    assert row_of(PAGES["ImportJob"], reason.value)


def test_no_reason_is_made_up() -> None:
    told = set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", EVERYTHING[DOCS / "reasons.md"], re.MULTILINE))
    assert told == {reason.value for reason in Reason}
    for page in PAGES.values():
        rows = re.findall(r"^\| (?:True|False|Unknown) \|.*?\| `([A-Za-z]+)` \|", page, re.MULTILINE)
        assert rows
        assert set(rows) <= told


def test_the_kinds_of_a_reason_are_the_pages_that_explain_it() -> None:
    for line in EVERYTHING[DOCS / "reasons.md"].splitlines():
        row = re.match(r"\| `([A-Z][A-Za-z]+)` \| (.*?) ?\| (.*?) ?\|", line)
        if row is None:
            continue
        reason, named, _ = row.groups()
        kinds = set(FIELDS) if named == "all" else {kind for kind in named.split(", ") if kind}
        assert {kind for kind, page in PAGES.items() if f"`{reason}`" in page} >= kinds, reason


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    row = row_of(EVERYTHING[DOCS / "settings.md"], f"VIDEOVECTOR_{name.upper()}")
    assert row
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if isinstance(default, int | float) or (isinstance(default, str) and default):
        written = (
            str(default).lower()
            if isinstance(default, bool)
            else f"{default:g}"
            if isinstance(default, float)
            else default
        )
        assert f"| `{written}` |" in row


def test_no_setting_is_made_up() -> None:
    told = set(re.findall(r"^\| `VIDEOVECTOR_([A-Z_]+)`", EVERYTHING[DOCS / "settings.md"], re.MULTILINE))
    assert told == {name.upper() for name in Settings.model_fields}


def test_every_metric_is_documented_and_none_is_made_up() -> None:
    page = EVERYTHING[DOCS / "architecture.md"]
    families = {family.name: family for family in Metrics().registry.collect() if family.name.startswith("videovector")}
    names = {name if family.type != "counter" else f"{name}_total" for name, family in families.items()}
    assert {name for name in names if row_of(page, name) == ""} == set()
    told = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bvideovector_[a-z_]+", page)}
    assert told - {"videovector_operator"} == names


def test_supported_types_are_listed() -> None:
    page = PAGES["ImportJob"]
    assert [extension for extension in MEDIA_TYPES if not re.search(rf"\b{extension}\b", page)] == []


def blocks() -> Iterator[Any]:
    for name, _, documents in written_manifests():
        for document in documents:
            if str(document.get("apiVersion", "")).startswith("videovector.io/"):
                yield pytest.param(document, id=f"{name}-{document['kind']}")


@pytest.mark.parametrize("document", list(blocks()))
def test_examples_are_objects_that_we_understand(document: Json) -> None:
    spec = parse_resource(document["kind"], document).spec
    assert set(document["spec"]) <= set(spec.model_dump(mode="json", by_alias=True)), "a field that no model knows"
    if document["kind"] == "ImportJob":
        FileFilter(spec.file_pattern, spec.source_prefix)


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@pytest.mark.parametrize("path", MARKDOWN, ids=of)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", EVERYTHING[path]):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        if not target.exists() or (anchor and anchor not in {slug(heading) for heading in headings}):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_found() -> None:
    index = EVERYTHING[DOCS / "README.md"] + EVERYTHING[DOCS / "decisions" / "README.md"]
    lost = [of(path) for path in DOCS.rglob("*.md") if path.name != "README.md" and path.name not in index]
    assert lost == []


@pytest.mark.parametrize("path", MARKDOWN, ids=of)
def test_commands_of_make_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    told = set(re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]+)", EVERYTHING[path], re.MULTILINE))
    assert told - targets == set()


def test_tests_that_are_named_exist() -> None:
    for text in EVERYTHING.values():
        for name in re.findall(r"`(tests/[\w/]+\.py)(?=::|`)", text):
            assert (ROOT / name).is_file(), name
        for name, function in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
            tree = ast.parse((ROOT / name).read_bytes())
            functions = (ast.FunctionDef, ast.AsyncFunctionDef)
            assert function in {node.name for node in ast.walk(tree) if isinstance(node, functions)}, function


def test_the_readme_installs_what_continuous_integration_installs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    wanted = re.search(r"^packages=\(\n(.*?)^\)", script, re.MULTILINE | re.DOTALL)
    told = re.search(
        r"apt-get install -y --no-install-recommends \\\n((?:.*\\\n)*.*)\n", EVERYTHING[ROOT / "README.md"]
    )
    assert wanted is not None
    assert told is not None
    assert told[1].replace("\\", " ").split() == wanted[1].split()


def test_decisions_are_numbered_and_dated() -> None:
    pages = [path for path in sorted((DOCS / "decisions").glob("*.md")) if path.name != "README.md"]
    assert [path.name[:4] for path in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for path in pages:
        title, _, date = EVERYTHING[path].splitlines()[:3]
        assert title.startswith(f"# {path.name[:4]}: ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)
