"""The log format, seen from outside: a process of its own, because logging is set up for a whole process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "operator"
PROGRAM = """
import logging, structlog
from videovector_operator.logs import configure_logging
configure_logging("info", "{log_format}")
structlog.get_logger("ours").info("hello", object="Index media/films")
structlog.get_logger("ours").debug("not shown")
logging.getLogger("theirs").warning("from a library")
logging.getLogger("kopf.watching").info("chatty")
def use(secret):
    raise ValueError("broken")
try:
    use("hunter" + "2")
except ValueError:
    structlog.get_logger("ours").exception("failed")
    logging.getLogger("theirs").exception("failed too")
"""


def run(log_format: str) -> list[str]:
    program = PROGRAM.replace("{log_format}", log_format)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_has_one_object_a_line_for_our_words_and_those_of_libraries() -> None:
    lines = [json.loads(line) for line in run("json")]
    assert [line["event"] for line in lines] == ["hello", "from a library", "failed", "failed too"]
    assert lines[0]["object"] == "Index media/films"
    assert (lines[1]["level"], lines[1]["logger"]) == ("warning", "theirs")
    assert "ValueError: broken" in lines[2]["exception"]
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_the_console_is_for_people() -> None:
    text = "\n".join(run("console"))
    assert "hello" in text
    assert "not shown" not in text
    assert "ValueError" in text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_values(log_format: str) -> None:
    text = "\n".join(run(log_format))
    assert text.count("ValueError: broken") == 2
    assert "hunter2" not in text
