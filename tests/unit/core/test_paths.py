"""Nothing leaves a base path, whatever is written."""

from __future__ import annotations

import contextlib
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.samples import make_connector
from videovector_operator.core.paths import (
    MAX_BASE_BYTES,
    MAX_KEY_BYTES,
    MAX_SEGMENT_BYTES,
    export_base_path,
    export_prefix,
    join_below,
    normalize_base_path,
)
from videovector_operator.errors import Stalled

ACCEPTED = {
    "a name": ("exports", "exports"),
    "a slash at the end": ("exports/team-a/", "exports/team-a"),
    "dots within names": ("exports/v1.2/..a/b..", "exports/v1.2/..a/b.."),
    "a hidden name": (".exports/.team", ".exports/.team"),
    "spaces": ("my exports/team a", "my exports/team a"),
    "a percent sign that encodes nothing": ("100%/50% off", "100%/50% off"),
    "an encoded space": ("my%20exports", "my%20exports"),
    "a tilde": ("~exports", "~exports"),
    "a colon": ("exports/12:30", "exports/12:30"),
    "decomposed letters are composed": ("expo\u0301rts", "exp\u00f3rts"),
    "letters of other scripts": ("Übungen/エクスポート/экспорт", "Übungen/エクスポート/экспорт"),
    "joiners within words": ("می\u200cخواهم", "می\u200cخواهم"),
    "a full stop of another script within a name": ("\u0622\u0628\u06d4\u062c", "\u0622\u0628\u06d4\u062c"),
    "a semicolon within a name": ("exports/a;b", "exports/a;b"),
    "a full-width letter": ("\uff21", "\uff21"),
    "hive partitions": ("exports/dt=2026-01-01", "exports/dt=2026-01-01"),
    "as long as it may be": ("/".join(["a" * 255, "b" * 255]) + "/", "/".join(["a" * 255, "b" * 255])),
}

DIRECTORY = "stands for a directory"
EMPTY = "is empty; write one"
ENCODED = "percent-encoded"
LOOKS = "it can be taken for"
CONTROL = "control or invisible character"
HOSTILE = {
    "nothing": ("", "spec.exportBasePath is empty"),
    "the parent": ("..", DIRECTORY),
    "the parent at the end": ("exports/..", DIRECTORY),
    "the parent at the start": ("../exports", DIRECTORY),
    "the parent in the middle": ("exports/../../etc", DIRECTORY),
    "the parent before a slash": ("exports/../", DIRECTORY),
    "the directory itself": ("exports/./a", DIRECTORY),
    "three dots": ("exports/.../a", DIRECTORY),
    "dots and a space": ("exports/.. /a", DIRECTORY),
    "dots around a space": ("exports/. ./a", DIRECTORY),
    "dots and a no-break space": ("exports/..\u00a0/a", DIRECTORY),
    "dots around an invisible character": ("exports/.\u200c./a", DIRECTORY),
    "dots and a variation selector": ("exports/..\ufe0f/a", DIRECTORY),
    "dots around a variation selector": ("exports/.\ufe0f./a", DIRECTORY),
    "dots around a grapheme joiner": ("exports/.\u034f./a", DIRECTORY),
    "a Hangul filler": ("exports/\u3164/a", DIRECTORY),
    "an empty braille pattern": ("exports/\u2800/a", DIRECTORY),
    "a name with a variation selector": ("exports/a\ufe0f", CONTROL),
    "a name with a supplementary variation selector": ("exports/a\U000e0101b", CONTROL),
    "dots and a parameter": ("exports/..;/a", DIRECTORY),
    "dots and a parameter with a value": ("exports/..;a=b/a", DIRECTORY),
    "Lisu tone marks": ("exports/\ua4f8\ua4f8/a", DIRECTORY),
    "Syriac full stops": ("exports/\u0701\u0702/a", DIRECTORY),
    "Arabic full stops": ("exports/\u06d4\u06d4/a", DIRECTORY),
    "a space alone": ("exports/ /a", DIRECTORY),
    "an encoded space alone": ("exports/%20/a", ENCODED),
    "dots and an encoded space": ("exports/..%20/a", ENCODED),
    "dots around an encoded space": ("exports/.%20./a", ENCODED),
    "dots and an encoded no-break space": ("exports/..%C2%A0/a", ENCODED),
    "an encoded ideographic space": ("exports/%E3%80%80/a", ENCODED),
    "dots around an encoded joiner": ("exports/.%E2%80%8C./a", ENCODED),
    "dots and an encoded parameter": ("exports/..%3Ba=b/a", ENCODED),
    "a slash encoded twice behind a mark that joins it": ("exports/%252f%CC%87", ENCODED),
    "a backslash encoded twice behind a mark that joins it": ("exports/%255c%CC%A7", ENCODED),
    "the parent between such slashes": ("exports/a%252f%CC%87..%252f%CC%87b", ENCODED),
    "an encoded drive letter": ("%43%3A", ENCODED),
    "a full-width drive letter": ("\uff23\uff1a", "drive letter"),
    "the root": ("/", 'begins with "/"'),
    "absolute": ("/exports", 'begins with "/"'),
    "another host": ("//host/share", 'begins with "/"'),
    "two slashes": ("exports//a", EMPTY),
    "two slashes at the end": ("exports//", EMPTY),
    "a drive": ("C:/exports", "drive letter"),
    "a drive alone": ("c:", "drive letter"),
    "a drive further down": ("exports/C:evil", "drive letter"),
    "a backslash": ("exports\\..\\a", "holds a backslash"),
    "a network share": ("\\\\host\\share", "holds a backslash"),
    "NUL": ("exports\0/a", CONTROL),
    "a line feed": ("exports\n/a", CONTROL),
    "a carriage return": ("exports\r\nx-amz-acl: public-read", CONTROL),
    "an escape sequence": ("exports/\x1b[2J", CONTROL),
    "DEL": ("exports\x7f", CONTROL),
    "a C1 control": ("exports\x85", CONTROL),
    "a line separator": ("exports\u2028a", CONTROL),
    "writing direction": ("exports/\u202etxt.exe", CONTROL),
    "a byte order mark": ("\ufeffexports", CONTROL),
    "a zero-width space": ("exp\u200borts", CONTROL),
    "encoded dots": ("exports/%2e%2e/a", ENCODED),
    "encoded dots in capitals": ("exports/%2E%2E", ENCODED),
    "half encoded dots": ("exports/.%2e/a", ENCODED),
    "an encoded slash": ("exports%2f..%2fa", ENCODED),
    "an encoded backslash": ("exports%5c..%5ca", ENCODED),
    "encoded NUL": ("exports%00", ENCODED),
    "an encoded line feed": ("exports%0a", ENCODED),
    "twice encoded dots": ("exports/%252e%252e/a", ENCODED),
    "thrice encoded slash": ("exports%25252fa", ENCODED),
    "encoded digits of an encoded dot": ("exports/%25%32%65%25%32%65/a", ENCODED),
    "an overlong dot": ("exports/%c0%ae%c0%ae/a", "percent-encoded bytes that are no text"),
    "an overlong slash": ("exports%c0%afa", "percent-encoded bytes that are no text"),
    "the encoding of old web servers": ("exports/%u002e%u002e", ENCODED),
    "an encoded full-width slash": ("exports%EF%BC%8Fa", ENCODED),
    "full-width dots": ("exports/\uff0e\uff0e/a", f"FULLWIDTH FULL STOP; {LOOKS}"),
    "a full-width slash": ("exports\uff0f..", f"FULLWIDTH SOLIDUS; {LOOKS}"),
    "a full-width backslash": ("exports\uff3ca", LOOKS),
    "a leader of one dot": ("exports/\u2024\u2024", f"ONE DOT LEADER; {LOOKS}"),
    "a leader of two dots": ("exports/\u2025/a", f"TWO DOT LEADER; {LOOKS}"),
    "an ellipsis": ("exports/\u2026", LOOKS),
    "a small full stop": ("exports/\ufe52\ufe52", LOOKS),
    "a division slash": ("exports\u2215a", LOOKS),
    "a fraction slash": ("exports\u2044a", LOOKS),
    "account of": ("exports/\u2100", LOOKS),
    "a full-width percent sign": ("exports/\uff052e\uff052e", LOOKS),
    "full-width digits of an encoded dot": ("exports/%\uff12e%\uff12e", ENCODED),
    "encoded full-width digits of an encoded dot": ("exports/%25%EF%BC%92e", ENCODED),
    "a lone surrogate": ("exports/\ud800", "is not valid Unicode text"),
    "a name that is too long": ("a" * (MAX_SEGMENT_BYTES + 1), "256 bytes in UTF-8"),
    "a name that is too long in UTF-8": ("ü" * 128, "256 bytes in UTF-8"),
    "a path that is too long": ("/".join(["a" * 100] * 6), f"605 bytes in UTF-8; at most {MAX_BASE_BYTES}"),
    "ten thousand bytes": ("a" * 10_000, "10000 bytes in UTF-8"),
    "ten thousand slashes": ("/" * 10_000, 'begins with "/"'),
    "ten thousand names": ("a/" * 10_000, "19999 bytes in UTF-8"),
    "ten thousand encodings": ("%25" * 3_333, "9999 bytes in UTF-8"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_path_has_one_form(name: str) -> None:
    text, expected = ACCEPTED[name]
    assert normalize_base_path(text) == expected
    assert normalize_base_path(expected) == expected


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_path_is_refused_with_words(name: str) -> None:
    text, words = HOSTILE[name]
    with pytest.raises(Stalled) as caught:
        normalize_base_path(text)
    assert caught.value.reason == "InvalidSpec"
    assert caught.value.message.startswith("spec.exportBasePath ")
    assert words in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_too(name: str) -> None:
    with pytest.raises(Stalled):
        join_below("exports", HOSTILE[name][0])


def test_names_are_joined() -> None:
    assert join_below("exports/team-a/", "run-1", "part-0.jsonl") == "exports/team-a/run-1/part-0.jsonl"
    assert join_below("", "run-1") == "run-1"


@pytest.mark.parametrize(
    ("base", "segments", "words"),
    [
        ("exports", (), "needs a name"),
        ("exports", ("a/b",), 'a name with "/" below it'),
        ("exports", ("/etc/passwd",), 'a name with "/" below it'),
        ("exports", ("a", ""), "which is empty"),
        ("exports", ("a" * 200,) * 6, f"makes a key of 1213 bytes with '{'a' * 64}'…; at most {MAX_KEY_BYTES}"),
        ("../exports", ("a",), DIRECTORY),
    ],
)
def test_what_is_joined_is_checked(base: str, segments: tuple[str, ...], words: str) -> None:
    with pytest.raises(Stalled) as caught:
        join_below(base, *segments, field="spec.destination.subpath")
    assert caught.value.message.startswith("spec.destination.subpath ")
    assert words in caught.value.message


def test_the_base_path_in_force_is_the_connectors() -> None:
    assert export_base_path(make_connector().spec) == ""
    assert export_prefix(make_connector(exportBasePath="").spec) == ""
    assert export_base_path(make_connector(exportBasePath="a/b/").spec) == "a/b"
    assert export_prefix(make_connector(exportBasePath="a/b/").spec) == "a/b/"


_PIECES = st.sampled_from(
    [
        *(
            "..",
            ".",
            "/",
            "\\",
            "%",
            "2e",
            "2f",
            "25",
            "5c",
            "00",
            "%2e",
            "%2f",
            "%252e",
            "C:",
            "a",
            "exports",
            " ",
            "\0",
        ),
        *("\uff0e", "\uff0f", "\u2024", "\u2215", "\u200d", "\u202e", "\u0301", "\ud800", "é", "𝒳"),
        *("\uff05", "\uff12", "\uff45", "%EF%BC%92", "%25", "²"),
        *("%20", "%3B", ";", "%CC%87", "%252f", "%255c", "%C2%A0", "%E3%80%80", "\uff23", "\uff1a", ":"),
    ]
)
_TEXT = st.lists(_PIECES, max_size=8).map("".join) | st.text(max_size=20)


@given(base=_TEXT, segments=st.lists(_TEXT, max_size=4))
@example(base="exports", segments=["\u212b", "e\u0301"])
@example(base="exports", segments=["..%20"])
@example(base="exports", segments=["..%3Bx"])
@example(base="exports", segments=["%252f%CC%87"])
@example(base="exports", segments=["a%252f%CC%87..%252f%CC%87b"])
def test_what_comes_out_lies_below_the_base_and_names_no_directory(base: str, segments: list[str]) -> None:
    with contextlib.suppress(Stalled):
        root = normalize_base_path(base)
        key = join_below(base, *segments)
        assert key.startswith(f"{root}/")
        assert key.count("/") == root.count("/") + len(segments)
        for form in _all_readings(key):
            parts = form.split("/")
            assert len(parts) == key.count("/") + 1
            assert not {"", ".", ".."} & {part.partition(";")[0].strip() for part in parts}
            assert not any(re.match("[A-Za-z]:", part) for part in parts)
            assert "\\" not in form
            assert "\0" not in form


def _all_readings(key: str) -> list[str]:
    """The key as somebody reads it who normalises and decodes, in any order, twice."""
    from urllib.parse import unquote

    forms = {key}
    for _ in range(3):
        forms |= {unquote(form) for form in forms}
        forms |= {unicodedata.normalize("NFKC", form) for form in forms}
    return sorted(forms)
