"""The search for credentials finds what it is there to find: otherwise its silence would mean nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.leak_search import Leak, LogFollower, Needles, search_texts
from tools.testservers.gcs_accounts import make_account

SHORT = "root-secret"
SECRET = "wJalr/Utn+FEMI=K7MDENG"
LONG = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
LINES = "first line of a secret\r\nand\nits second line, which is longer"
PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n"
)
SIGNATURE = "Zm9v/YmFy+YmF6cXV4Y29ycmdlZ3JhdWx0=="
SAS = f"se=2026-07-30T10%3A00%3A00Z&sp=rl&sv=2025-01-05&sig={quote(SIGNATURE, safe='')}"


@pytest.fixture
def needles() -> Needles:
    made = Needles()
    made.add("the short key", SHORT)
    made.add("the key", SECRET)
    made.add("the long key", LONG)
    made.add("the lines", LINES)
    made.add("the private key", PEM)
    made.add("the SAS", SAS)
    return made


def leaks_in(needles: Needles, text: str) -> list[Leak]:
    return search_texts(needles, [("a log", text)])


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
    [leak, *_] = leaks_in(needles, text)
    assert leak.where == "a log"
    assert SECRET not in f"{leak}"


PARTS = {
    "the whole": (LONG, "the long key"),
    "a half": (LONG[: len(LONG) // 2], "the long key"),
    "the other half": (LONG[len(LONG) // 2 :], "the long key"),
    "all but the last two characters": (LONG[:-2], "the long key"),
    "all but the first two characters": (LONG[2:], "the long key"),
    "the beginning of a private key's line": ("MIIEvQIBADANBgkqhkiG", "the private key"),
    "the end of a private key's line": ("kqhkiG9w0BAQEFAASC", "the private key"),
    "one line of a text": ("first line of a secret", "the lines"),
    "the end of another line": ("line, which is longer", "the lines"),
    "a signature": (SIGNATURE, "the SAS"),
    "a signature as the URL has it": (quote(SIGNATURE, safe="")[:-3], "the SAS"),
    "a short one": (SHORT, "the short key"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_found_in_every_form(needles: Needles, part: str) -> None:
    text, name = PARTS[part]
    forms = [text, quote(text, safe=""), json.dumps(json.dumps({"a": text}))]
    forms += [base64.b64encode(f"{before}{text}, as they say".encode()).decode() for before in ("", "a", "ab", "abc")]
    for form in forms:
        leaks = leaks_in(needles, f"the storage server said: {form}.")
        assert {leak.what for leak in leaks} == {name}, form


def test_what_the_api_server_escapes_is_found() -> None:
    needles = Needles()
    needles.add("the password", "a&b<c>d&e<f>")
    [leak] = leaks_in(needles, r'{"message": "a\u0026b\u003cc\u003ed\u0026e\u003cf\u003e"}')
    assert leak.what == "the password"


def test_a_finding_does_not_repeat_what_it_found(needles: Needles) -> None:
    """Of a secret that was cut, or of one in lines, only parts are needles: what stands between them is not shown either."""
    text = f"Secret 'media': {LONG} and {LONG[2:]} and {PEM} and {SECRET} are not what it says"
    shown = "".join(leak.around for leak in leaks_in(needles, text))
    for secret in (LONG, SECRET, *PEM.splitlines()):
        pieces = {secret[start : start + 6] for start in range(len(secret) - 5) if "---" not in secret}
        assert [piece for piece in pieces if piece in shown] == []
    assert "Secret 'media': [...]" in shown


HARMLESS = [
    "Secret 'media' lacks the key secretAccessKey; -----BEGIN PRIVATE KEY----- is how a key begins; design=sig",
    f"the URL ends with &sig= and no signature; {SAS.partition('sig=')[0]}",
    "root and secret; wJalrXUtnFEMI/K; first line; which will be longer",
    json.dumps(
        {"message": "the account was deleted or its key was rotated: make a new key and put it into the Secret"}
    ),
]


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_words_are_no_leak(needles: Needles, text: str) -> None:
    for form in (text, base64.b64encode(text.encode()).decode(), quote(text)):
        assert leaks_in(needles, form) == []


def test_a_secret_that_is_nothing_but_short_lines_or_nothing_is_looked_for_as_a_whole() -> None:
    needles = Needles()
    for secret in ("", " \n", "short", "one\ntwo\nthree"):
        needles.add("the key", secret)
    assert leaks_in(needles, "one two three; short; \n") == []
    [leak] = leaks_in(needles, json.dumps({"message": "one\ntwo\nthree"}))
    assert leak.what == "the key"


ACCOUNT, PUBLIC_KEY = make_account("importer", "studio")
KEY_FILE = ACCOUNT.key_file()


@pytest.fixture(
    params=[KEY_FILE, KEY_FILE[:-20], json.dumps(json.loads(KEY_FILE))], ids=["whole", "cut off", "one line"]
)
def key_needles(request: pytest.FixtureRequest) -> Needles:
    needles = Needles()
    needles.add("credentials.json", request.param)
    return needles


def test_a_key_file_is_found_by_its_key_and_its_id(key_needles: Needles) -> None:
    lines = [line for line in ACCOUNT.private_key.splitlines() if len(line) >= 24 and not line.startswith("-----")]
    for text in (KEY_FILE, json.dumps(KEY_FILE), repr(KEY_FILE), KEY_FILE[:300], *lines, ACCOUNT.key_id):
        for form in (text, base64.b64encode(text.encode()).decode()):
            found = leaks_in(key_needles, json.dumps({"status": {"message": form}}))
            assert {leak.what for leak in found} == {"credentials.json"}, form


def test_the_rest_of_a_key_file_is_no_secret(key_needles: Needles) -> None:
    rest = {name: value for name, value in json.loads(KEY_FILE).items() if not name.startswith("private_key")}
    for indent in (None, 2):
        assert leaks_in(key_needles, json.dumps({**rest, "private_key": "", "private_key_id": ""}, indent=indent)) == []
    assert leaks_in(key_needles, f"{ACCOUNT.email} signs for {PUBLIC_KEY}") == []


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
