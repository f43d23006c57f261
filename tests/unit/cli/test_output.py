"""What a terminal gets and what it never gets."""

from __future__ import annotations

import io
import json
import re

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.plugin_desk import Terminal
from videovector_operator.cli.output import (
    Cell,
    Colour,
    TableWriter,
    dump_json,
    dump_yaml,
    has_colours,
    human_size,
    note,
    paint,
    printable,
    write_json_array,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢字 🎬", "plain ü 漢字 🎬"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANY_TEXT)
def test_json_says_the_same_and_can_be_printed(text: str) -> None:
    assume(not re.search("[\ud800-\udbff][\udc00-\udfff]", text))  # two halves that JSON joins
    dumped = dump_json({"path": text})
    assert json.loads(dumped) == {"path": text}
    assert not any(char in dumped for char in "\x1b\x9b\x7f\u202e")
    dumped.encode()


@given(ANY_TEXT)
def test_yaml_says_the_same_and_can_be_printed(text: str) -> None:
    dumped = dump_yaml({text: [text]})
    assert yaml.safe_load(dumped) == {text: [text]}
    assert not any(char in dumped for char in BIDIRECTIONAL + "\x1b\x9b\x7f\u2028")
    dumped.encode()


BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("char", BIDIRECTIONAL)
def test_marks_that_turn_the_direction_of_text_are_escapes(char: str) -> None:
    escaped = f"\\u{ord(char):04x}"
    assert dump_json({"path": f"a{char}b"}, indent=None) == f'{{"path": "a{escaped}b"}}'
    assert dump_yaml({"path": f"a{char}b"}) == f'path: "a{escaped}b"\n'
    assert printable(f"a{char}b") == f"a{escaped}b"


def test_what_is_said_beside_the_answer_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    note("one\x1b[2J\n  two\r\u202e")
    assert capsys.readouterr().err == "one\\x1b[2J\n  two\\x0d\\u202e\n"


def test_an_array_of_no_pages_is_one_too() -> None:
    out = io.StringIO()
    write_json_array([], out)
    assert json.loads(out.getvalue()) == []


def table(*rows: tuple[str | Cell, ...], stream: io.StringIO | None = None) -> list[str]:
    out = stream or io.StringIO()
    TableWriter(("A", "BB", "C"), out).write(rows)
    return out.getvalue().splitlines()


def test_columns_line_up_and_end_without_blanks() -> None:
    assert table(("1", "2", ""), ("long one", "2", "free text")) == [
        "A          BB   C",
        "1          2",
        "long one   2    free text",
    ]


def test_wide_characters_take_their_room() -> None:
    assert table(("漢字", "x", "y"), ("ab", "x", "y"))[1:] == ["漢字   x    y", "ab     x    y"]


def test_one_huge_cell_does_not_push_the_others_away() -> None:
    lines = table(("a" * 500, "x", "y"), ("b", "x", "y"))
    assert lines[2] == "b   x    y"
    assert lines[1] == "a" * 500 + "   x    y"


def test_pages_keep_the_columns_of_the_first() -> None:
    out = io.StringIO()
    writer = TableWriter(("A", "B"), out)
    writer.write([("one", "x")])
    writer.write([("two", "y")])
    assert out.getvalue().splitlines() == ["A     B", "one   x", "two   y"]


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colours_are_for_terminals_alone(stream: io.StringIO, environment: dict[str, str], expected: bool) -> None:
    assert has_colours(stream, environment) is expected


def test_colours_do_not_count_as_width() -> None:
    rows = [(Cell("bad", Colour.WRONG), "x", "y"), (Cell("plain"), "x", "y")]
    assert paint("bad", Colour.WRONG, io.StringIO()) == "bad"
    assert table(*rows)[1:] == ["bad     x    y", "plain   x    y"]
    line = table(*rows, stream=Terminal())[1]
    assert line.replace("\x1b[31m", "").replace("\x1b[0m", "") == "bad     x    y"


SIZES = {0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 * 2**30: "5.0 GiB", 2**70: "1024.0 EiB"}


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size: int) -> None:
    assert human_size(size) == SIZES[size]
