"""`browse`: what is asked of the operator, and how its answer is printed."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import yaml

from tests.support.plugin_desk import PluginDesk, Terminal
from videovector_operator.cli.browse import Browse, Format, browse
from videovector_operator.cli.failures import bad, unreachable, usage
from videovector_operator.cli.ports import OperatorPlace, Target

Json = dict[str, Any]


def item(path: str, size: int = 2048, **changes: Any) -> Json:
    name = path.rpartition("/")[2]
    extension = name.rpartition(".")[2] if "." in name else ""
    found = {"path": path, "name": name, "size_bytes": size, "last_modified": "2026-05-01T12:00:00Z"}
    return {**found, "content_type": None, "extension": extension, **changes}


def reply(*items: Json, truncated: bool = False, scanned: int = 2, **more: Any) -> Json:
    return {"items": list(items), "truncated": truncated, "scanned": scanned, **more}


def test_the_table(desk: PluginDesk) -> None:
    desk.operator.pages = [reply(item("in/a.mp4"), item("in/long name.mov", 3_000_000))]
    result = desk.run("browse", "footage")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "PATH               SIZE      LAST MODIFIED          EXTENSION",
        "in/a.mp4           2.0 KiB   2026-05-01T12:00:00Z   mp4",
        "in/long name.mov   2.9 MiB   2026-05-01T12:00:00Z   mov",
    ]
    assert result.stderr == ""
    query = {"prefix": "", "pattern": "*", "recursive": "true", "limit": "100"}
    assert desk.operator.asked == [("browse", "media", "footage", query)]


def test_the_options_reach_the_operator(desk: PluginDesk) -> None:
    desk.operator.pages = [reply(prefixes=["in/b/"], scanned=1)]
    options = ("--prefix", "in/", "--pattern", "*.{mp4,mov}", "--no-recursive", "--limit", "7", "-n", "team")
    result = desk.run("browse", "footage", *options, "--operator-namespace", "ops")
    assert desk.operator.asked[0][1:] == (
        "team",
        "footage",
        {"prefix": "in/", "pattern": "*.{mp4,mov}", "recursive": "false", "limit": "7"},
    )
    assert desk.places == [OperatorPlace("ops", None, None)]
    assert "in/b/   -" in result.stdout


def test_wide_shows_exact_sizes_names_and_types(desk: PluginDesk) -> None:
    desk.operator.pages = [reply(item("in/a.mp4", content_type="video/mp4"), prefixes=["in/b/"])]
    head, folder, line = desk.run("browse", "footage", "-o", "wide").stdout.splitlines()
    assert head.endswith("   CONTENT TYPE")
    assert folder.split() == ["in/b/", "-", "-", "-", "b/", "-"]
    assert line.split() == ["in/a.mp4", "2048", "2026-05-01T12:00:00Z", "mp4", "a.mp4", "video/mp4"]


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_reply_itself(desk: PluginDesk, output: str, parse: Any) -> None:
    answer = reply(item("ü\x1b[31m\ud800.mp4"), truncated=True)
    desk.operator.pages = [answer]
    result = desk.run("browse", "footage", "-o", output)
    assert parse(result.stdout) == answer
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(item("a"), truncated=True), "The first 1; there are more. Show them with --limit"),
        (reply(scanned=10_000, truncated=True), "0 found among the first 10000 objects; there are more objects behind"),
        (reply(item("a"), truncated=True, prefixes=["b/"]), "The first 1 and 1 folders; there are more. Show"),
        (reply(prefixes=["b/"], truncated=True), "The first 0 and 1 folders; there are more."),
        (reply(scanned=0), "Nothing found."),
    ],
)
def test_what_is_left_out_is_said_beside_the_table(desk: PluginDesk, answer: Json, words: str) -> None:
    desk.operator.pages = [answer]
    result = desk.run("browse", "footage", "--limit", "1")
    assert words in result.stderr
    assert words not in result.stdout


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (bad("SecretNotFound: there is no Secret 'keys'"), 1),
        (usage("pattern is empty"), 2),
        (unreachable("the operator's API did not answer"), 3),
    ],
)
def test_refusals_are_one_sentence_and_an_exit_code(desk: PluginDesk, failure: Exception, code: int) -> None:
    desk.operator.failure = failure  # type: ignore[assignment]  # all are CommandErrors
    result = desk.run("browse", "footage")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"error: {failure}\n")
    assert desk.open_sessions == 0


def test_a_strangers_file_name_does_nothing_to_the_terminal(desk: PluginDesk) -> None:
    hostile = "\x1b]0;pwned\x07\x1b[2J\u202egpj.exe\r\n\x9bfake\x00\ud800"
    desk.operator.pages = [reply(item(hostile))]
    out = desk.run("browse", "footage").stdout
    assert all(char.isprintable() or char == "\n" for char in out)
    assert "\\x1b]0;pwned\\x07" in out


def test_nothing_turns_on_the_terminal_before_the_way_to_the_operator_is_open(
    desk: PluginDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    seen = []
    desk.on_open = lambda: seen.append(terminal.getvalue())
    desk.operator.pages = [reply(scanned=0)]
    with desk.ports().open_session(Target()) as session:
        browse(session, "footage", Browse("", "*", recursive=True, limit=1), OperatorPlace(), Format.JSON)
    assert seen == [""]
    assert "listing the storage of footage" in terminal.getvalue()


USAGE = {
    "no name": (),
    "an unknown option": ("footage", "--prefx", "a"),
    "no number": ("footage", "--limit", "ten"),
    "too many": ("footage", "--limit", "10001"),
    "none": ("footage", "--limit", "0"),
    "an unknown format": ("footage", "-o", "xml"),
    "no UTF-8": ("footage", "--prefix", "\udcff"),
}


@pytest.mark.parametrize("name", USAGE)
def test_a_command_line_that_makes_no_sense_asks_nobody(desk: PluginDesk, name: str) -> None:
    result = desk.run("browse", *USAGE[name])
    assert result.exit_code == 2
    assert desk.targets == []
