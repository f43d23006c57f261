"""The search for credentials finds what it is there to find: otherwise its silence would mean nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.leak_search import LogFollower, Needles, search_texts

SECRET = "wJalr/Utn+FEMI=K7MDENG"
PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n"
)


@pytest.fixture
def needles() -> Needles:
    made = Needles()
    made.add("the key", SECRET)
    made.add("the private key", PEM)
    return made


@pytest.mark.parametrize(
    "text",
    [
        f"error: {SECRET} was refused",
        f"https://x/?k={quote(SECRET, safe='')}",
        json.dumps({"message": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"prefix:{SECRET}:suffix".encode()).decode(),
        base64.b64encode(f"ab{SECRET}".encode()).decode(),
        "… AAoIBAQC7VJTUt9Us8cKj …",
        "Authorization: Bearer eyJhbGciOiJSUzI1NiIsIn.eyJpc3MiOiJhQGIuaWFt.sig",
        "GET /c?sv=2024-01-01&sig=abcdefghijklmnopqrstuvwxyz0123456789%3D",
        f"AWS4-HMAC-SHA256 Credential=x, Signature={'0' * 64}",
    ],
)
def test_a_leak_is_found_in_every_form(needles: Needles, text: str) -> None:
    [leak, *_] = search_texts(needles, [("a log", text)])
    assert leak.where == "a log"
    assert SECRET not in f"{leak}"


def test_ordinary_words_are_no_leak(needles: Needles) -> None:
    text = "Secret 'media' lacks the key secretAccessKey; -----BEGIN PRIVATE KEY----- is how a key begins; design=sig"
    assert search_texts(needles, [("a status", text)]) == []


def test_logs_are_read_while_they_grow_and_after_their_pods_are_gone(needles: Needles, tmp_path: Path) -> None:
    log = tmp_path / "pod" / "0.log"
    log.parent.mkdir()
    log.write_text("fine\n" + SECRET[:7])
    follower = LogFollower(tmp_path, needles)
    follower.sweep()
    assert follower.leaks == []
    with log.open("a") as file:
        file.write(SECRET[7:] + "\n")
    follower.sweep()
    log.unlink()
    follower.sweep()
    assert [leak.what for leak in follower.leaks] == ["the key"]
    assert follower.bytes_read > 0
