"""`files`: all pages, as they come."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import Any

import pytest

from tests.support.plugin_desk import PluginDesk, Terminal
from videovector_operator.cli.failures import unreachable
from videovector_operator.cli.files import Format, list_files
from videovector_operator.cli.ports import OperatorPlace, Target

Json = dict[str, Any]


def file(path: str, state: str = "failed", reason: str = "UnreadableMedia", **changes: Any) -> Json:
    found = {"path": path, "size_bytes": 20, "state": state, "reason": reason, "message": "the file is text"}
    return {**found, "media_id": None, "attempts": 1, **changes}


def good(path: str) -> Json:
    return file(path, "imported", "", message="", media_id="vid_1")


def pages(*contents: list[Json]) -> list[Json]:
    last = len(contents) - 1
    return [
        {"items": items, "next": f"cursor-{number}" if number < last else None} for number, items in enumerate(contents)
    ]


def test_pages_follow_one_another(desk: PluginDesk) -> None:
    desk.operator.pages = pages([good("a.mp4")], [file("b.mp4")], [file("c.txt", "skipped", "UnsupportedType")])
    result = desk.run("files", "first")
    assert result.stdout.splitlines() == [
        "STATE      REASON   SIZE   TRIES   PATH    MESSAGE",
        "imported   -        20 B   1       a.mp4   vid_1",
        "failed     UnreadableMedia   20 B   1       b.mp4   the file is text",
        "skipped    UnsupportedType   20 B   1       c.txt   the file is text",
    ]
    assert [query.get("after") for *_, query in desk.operator.asked] == [None, "cursor-0", "cursor-1"]


def test_filters_reach_the_operator(desk: PluginDesk) -> None:
    desk.operator.pages = pages([])
    result = desk.run("files", "first", "--state", "failed", "--reason", "AccessDenied", "-n", "team")
    assert desk.operator.asked == [
        ("files", "team", "first", {"state": "failed", "reason": "AccessDenied", "limit": "1000"})
    ]
    assert (result.stdout, result.stderr) == ("", "No such files.\n")


def test_json_is_one_array_over_all_pages(desk: PluginDesk) -> None:
    files = [file("a\ud800\x9b.mp4"), good("b.mp4"), good("ü.mp4")]
    desk.operator.pages = pages(files[:2], [], files[2:])
    out = desk.run("files", "first", "-o", "json").stdout
    assert json.loads(out) == files
    assert "ü" in out
    assert "\x9b" not in out
    desk.operator.pages, desk.operator.asked = pages([]), []
    assert json.loads(desk.run("files", "first", "-o", "json").stdout) == []


def test_csv_has_a_head_and_survives_odd_names(desk: PluginDesk) -> None:
    odd = 'a,"b"\n\ud800.mp4'
    desk.operator.pages = pages([file(odd)], [good("b.mp4")])
    rows = list(csv.DictReader(io.StringIO(desk.run("files", "first", "-o", "csv").stdout)))
    assert [row["path"] for row in rows] == ['a,"b"\n\\ud800.mp4', "b.mp4"]
    assert rows[1] == {
        "path": "b.mp4",
        "size_bytes": "20",
        "state": "imported",
        "reason": "",
        "message": "",
        "media_id": "vid_1",
        "attempts": "1",
    }


def test_a_carriage_return_in_a_key_does_not_end_the_row(desk: PluginDesk) -> None:
    odd = "a\rb\r\nc.mp4"
    desk.operator.pages = pages([file(odd), good("b\r")])
    out = desk.run("files", "first", "-o", "csv").stdout_bytes.decode()
    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert [row[0] for row in rows] == ["path", odd, "b\r"]
    assert f'"{odd}",20,failed,UnreadableMedia,the file is text,,1\n' in out


def test_csv_on_a_terminal_does_nothing_to_it(desk: PluginDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    hostile = "\x1b]0;pwned\x07\u202egpj.exe\r\n\x9b.mp4"
    desk.operator.pages = pages([file(hostile, message="\x1b[2J")])
    monkeypatch.setattr(sys, "stdout", out)
    place = OperatorPlace()
    with desk.ports().open_session(Target()) as session:
        list_files(session, "first", {}, place, Format.CSV)
    head, line = out.getvalue().splitlines()
    assert head.startswith("path,size_bytes")
    assert line.isprintable()
    assert line.startswith("\\x1b]0;pwned\\x07\\u202egpj.exe\\x0d\\x0a\\x9b.mp4,20,")


def test_csv_for_programs_is_the_data_itself(desk: PluginDesk) -> None:
    odd = "=1+1\u202e\x1b.mp4"
    desk.operator.pages = pages([file(odd)])
    rows = list(csv.DictReader(io.StringIO(desk.run("files", "first", "-o", "csv").stdout)))
    assert rows[0]["path"] == odd


def test_what_came_before_a_failure_is_there(desk: PluginDesk) -> None:
    desk.operator.pages = [{"items": [file("a.mp4")], "next": "cursor"}]
    desk.operator.failure = unreachable("the operator's API did not answer")
    result = desk.run("files", "first")
    assert result.exit_code == 3
    assert "a.mp4" in result.stdout
    assert "did not answer" in result.stderr


def test_a_state_that_does_not_exist_is_refused(desk: PluginDesk) -> None:
    assert desk.run("files", "first", "--state", "lost").exit_code == 2
