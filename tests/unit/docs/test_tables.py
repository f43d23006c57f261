"""Tables of the documentation are whole: renderers drop the cells that a row has too many, and leave those empty that it lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.pages import MARKDOWN, PAGES, of

_BORDER = re.compile(r"(?<!\\)\|")
"""Also within a code span: there too a pipe that belongs to the text must be escaped."""
_DELIMITER = re.compile(r":?-+:?")


def cells_of(row: str) -> list[str]:
    """The cells of a row with a pipe at each end."""
    return [cell.strip() for cell in _BORDER.split(row.strip())[1:-1]]


def tables_of(page: str) -> Iterator[list[tuple[int, str]]]:
    """Every table with its line numbers: what begins with a pipe, up to the next empty line. Code blocks are left out."""
    rows: list[tuple[int, str]] = []
    is_code = False
    for number, line in enumerate([*page.splitlines(), ""], start=1):
        is_code ^= line.lstrip().startswith("```")
        if not is_code and (line.startswith("|") or (rows and line.strip())):
            rows.append((number, line))
        elif rows:
            yield rows
            rows = []


def faults_of(table: Sequence[tuple[int, str]]) -> Iterator[str]:
    """What is wrong with a table, by line."""
    (_, head), *_ = table
    wanted = len(cells_of(head))
    for number, row in table:
        cells = cells_of(row)
        if not re.fullmatch(r"\|.*(?<!\\)\|", row.strip()):
            yield f"line {number} has no pipe at each end"
        elif len(cells) != wanted:
            yield f"line {number} has {len(cells)} cells, the head {wanted}"
    if len(table) < 2 or not all(_DELIMITER.fullmatch(cell) for cell in cells_of(table[1][1])):
        yield f"line {table[0][0]} has no |---| below it"


def faults(page: str) -> list[str]:
    return [fault for table in tables_of(page) for fault in faults_of(table)]


@pytest.mark.parametrize("path", MARKDOWN, ids=of)
def test_every_row_has_the_cells_of_its_head(path: Path) -> None:
    assert faults(PAGES[path]) == []


CASES = {
    "a whole one": ("| a | b |\n|---|:-:|\n| 1 | |\n", []),
    "a row that is too short": ("| a | b | c |\n|---|---|---|\n| 1 | 2 |\n", ["line 3 has 2 cells, the head 3"]),
    "a row that is too long": ("| a |\n|---|\n| 1 | 2 |\n", ["line 3 has 2 cells, the head 1"]),
    "a delimiter that is too short": ("| a | b |\n|---|\n", ["line 2 has 1 cells, the head 2"]),
    "escaped pipes": ("| a | b |\n|---|---|\n| x \\| y | `x \\| y` |\n", []),
    "a bare pipe in a code span": ("| a | b |\n|---|---|\n| 1 | `x | y` |\n", ["line 3 has 3 cells, the head 2"]),
    "an escaped pipe at the end": ("| a |\n|---|\n| 1 \\|\n", ["line 3 has no pipe at each end"]),
    "a row without borders": ("| a | b |\n|---|---|\n1 | 2\n", ["line 3 has no pipe at each end"]),
    "no delimiter": ("| a | b |\n| 1 | 2 |\n", ["line 1 has no |---| below it"]),
    "a row alone": ("\n| a | b |\n\n", ["line 2 has no |---| below it"]),
    "one in a code block": ("```\n| a | b |\n| 1 |\n```\n\n    | c |\n", []),
    "two": ("| a |\n|---|\n\n| a | b |\n|---|---|\n| 1 |\n", ["line 6 has 1 cells, the head 2"]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_rule_itself(name: str) -> None:
    page, told = CASES[name]
    assert faults(page) == told
