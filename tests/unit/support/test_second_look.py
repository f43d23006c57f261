"""A few tests that fail are run once more: they are named, and what fails twice, or in numbers, is a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.second_look import LAST_FAILED, MOST, VARIABLE, main

ROOT = Path(__file__).resolve().parents[3]
ONCE = """
from pathlib import Path

def test_good():
    assert True

def test_fails({until}):
    seen = Path(__file__).with_name("seen")
    times = int(seen.read_text()) if seen.exists() else 0
    seen.write_text(str(times + 1))
    assert times >= {times}
"""


def look(folder: Path, *, status: int, failed: int, is_wanted: bool = True) -> tuple[int, list[list[str]]]:
    became: list[list[str]] = []

    def run(_: list[str]) -> int:
        file = folder / LAST_FAILED
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({f"tests/a.py::test_{number}": True for number in range(failed)}))
        return status

    def become(arguments: list[str]) -> int:
        became.append(arguments)
        return 77

    return main(["tests", "-x"], folder, is_wanted=is_wanted, run=run, become=become), became


@pytest.mark.parametrize(
    ("status", "failed", "is_wanted"),
    [
        (pytest.ExitCode.OK, 0, True),
        (pytest.ExitCode.TESTS_FAILED, MOST + 1, True),
        (pytest.ExitCode.TESTS_FAILED, 1, False),
        (pytest.ExitCode.INTERRUPTED, 1, True),
        (pytest.ExitCode.INTERNAL_ERROR, 1, True),
    ],
)
def test_nothing_is_run_again_but_a_few_failures_in_ci(
    tmp_path: Path, status: int, failed: int, is_wanted: bool
) -> None:
    assert look(tmp_path, status=status, failed=failed, is_wanted=is_wanted) == (status, [])


def test_the_few_are_named_and_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, [arguments] = look(tmp_path, status=pytest.ExitCode.TESTS_FAILED, failed=2)
    assert status == 77
    assert arguments[:4] == ["-o", f"cache_dir={tmp_path}", "tests", "-x"]
    assert "--last-failed" in arguments
    assert capsys.readouterr().out.splitlines()[1:] == [
        "a second look at 2, alone; flaky if they pass:",
        "  tests/a.py::test_0",
        "  tests/a.py::test_1",
    ]


@pytest.mark.parametrize(("times", "status"), [(1, 0), (2, 1)])
def test_with_pytest_itself(tmp_path: Path, times: int, status: int) -> None:
    (tmp_path / "test_some.py").write_text(ONCE.format(until="", times=times))
    done = subprocess.run(
        [sys.executable, "-m", "tools.second_look", tmp_path / "cache", "-q", "-c", os.devnull, "-n", "1", tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert "a second look at 1, alone" in done.stdout
    assert (tmp_path / "seen").read_text() == "2"
    assert ("1 passed" in done.stdout.splitlines()[-1]) is (status == 0)
