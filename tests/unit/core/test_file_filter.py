"""The pattern dialect and the choice candidate / skipped / not meant."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcmatch import glob

from videovector_operator.api.v1alpha1.reasons import FileReason, Reason
from videovector_operator.core.file_filter import MAX_PATTERN_LENGTH, FileFilter
from videovector_operator.core.media_types import MEDIA_TYPES, extension_of, media_type_of
from videovector_operator.errors import Stalled

MATCHES = {
    "a star means every file at any depth": ("*", "", "a/b/c.mp4", True),
    "a pattern without a slash looks at the name only": ("*.mp4", "", "deep/down/a.mp4", True),
    "a pattern without a slash does not look at directories": ("deep*", "", "deep/down/a.mp4", False),
    "braces are alternatives": ("*.{mp4,mov}", "", "x/a.mov", True),
    "braces leave other names out": ("*.{mp4,mov}", "", "x/a.avi", False),
    "braces may hold directories": ("{raw/*,*.mov}", "", "raw/a.mp4", True),
    "each alternative decides by itself whether it has a slash": ("{raw/*,*.mov}", "", "deep/raw.mov", True),
    "a star does not cross a directory": ("videos/*.mov", "", "videos/2026/a.mov", False),
    "a path pattern starts at the bucket's root without a prefix": ("videos/*.mov", "", "videos/a.mov", True),
    "a path pattern is not searched for in the middle": ("videos/*.mov", "", "old/videos/a.mov", False),
    "a path pattern starts behind the prefix's last slash": (
        "2026-*/*.mp4",
        "shoots/2026-",
        "shoots/2026-05/a.mp4",
        True,
    ),
    "a prefix that ends in a slash is the directory": ("*/a.mp4", "shoots/", "shoots/may/a.mp4", True),
    "a prefix that is a full key still has a name": ("a.mp4", "shoots/a.mp4", "shoots/a.mp4", True),
    "two stars cross directories": ("**/take?/*.mp4", "", "x/y/take1/a.mp4", True),
    "two stars also stand for no directory": ("**/*.mp4", "", "a.mp4", True),
    "two stars in the middle": ("a/**/z.mp4", "", "a/b/c/z.mp4", True),
    "two stars in the middle may be nothing": ("a/**/z.mp4", "", "a/z.mp4", True),
    "two stars at the end mean everything below": ("a/**", "", "a/b/c.mp4", True),
    "two stars at the end do not mean the directory's name": ("a/**", "", "a", False),
    "several two stars find their way back": ("**/a/**/b/*.mp4", "", "a/x/a/c/b/b/f.mp4", True),
    "upper case is not lower case": ("*.MP4", "", "a.mp4", False),
    "a question mark is one character": ("a?.mp4", "", "ab.mp4", True),
    "a question mark is not nothing": ("a?.mp4", "", "a.mp4", False),
    "classes work": ("clip[0-9].mp4", "", "clip7.mp4", True),
    "negated classes work": ("clip[!0-9].mp4", "", "clip7.mp4", False),
    "a leading exclamation mark is an ordinary character": ("!a.mp4", "", "!a.mp4", True),
    "a backslash escapes": (r"a\*b.mp4", "", "a*b.mp4", True),
    "a backslash escapes only": (r"a\*b.mp4", "", "axb.mp4", False),
    "hidden files match": ("*.mp4", "", ".hidden.mp4", True),
    "dots are names in object storage": ("**/*.mp4", "", "a/../b/./c.mp4", True),
    "an empty segment is a segment": ("a/*/c.mp4", "", "a//c.mp4", False),
    "two stars cross empty segments": ("a/**/c.mp4", "", "a//c.mp4", True),
    "spaces, plus and percent are characters": ("my *+%20.mp4", "", "d/my file+%20.mp4", True),
    "unicode is matched by character": ("?.mp4", "", "é.mp4", True),
    "a line feed in a key does not end the match": ("*.mp4", "", "a.mp4\n", False),
    "a line feed is one character": ("a?b.mp4", "", "a\nb.mp4", True),
    "a folder marker is known by its folder's name": ("clips", "", "x/clips/", True),
}


@pytest.mark.parametrize("sentence", MATCHES)
def test_pattern(sentence: str) -> None:
    pattern, prefix, key, expected = MATCHES[sentence]
    assert FileFilter(pattern, prefix).matches(key) is expected


CHOICES = {
    "a video is imported": ("a.mp4", 5, None),
    "the extension's case does not matter": ("A.MP4", 5, None),
    "a text file is skipped": ("notes.txt", 5, FileReason.UNSUPPORTED_TYPE),
    "a name without extension is skipped": ("Makefile", 5, FileReason.UNSUPPORTED_TYPE),
    "a bare extension is a name": ("x/.mp4", 5, FileReason.UNSUPPORTED_TYPE),
    "an empty video is skipped": ("a.mp4", 0, FileReason.ZERO_BYTES),
    "an empty text file is of the wrong type first": ("a.txt", 0, FileReason.UNSUPPORTED_TYPE),
    "a folder marker is skipped": ("clips/", 0, FileReason.FOLDER_MARKER),
    "a folder marker named like a video is a folder marker": ("clips.mp4/", 0, FileReason.FOLDER_MARKER),
}


@pytest.mark.parametrize("sentence", CHOICES)
def test_choice(sentence: str) -> None:
    key, size, reason = CHOICES[sentence]
    choice = FileFilter("*").decide_file(key, size)
    assert choice is not None
    assert choice.skip_reason == reason
    assert bool(choice.message) is (reason is not None)


def test_what_the_pattern_does_not_mean_is_not_counted() -> None:
    assert FileFilter("*.mp4").decide_file("notes.txt", 5) is None


REFUSED = {
    "an empty pattern": ("", "is empty"),
    "a pattern over the length limit": ("a" * (MAX_PATTERN_LENGTH + 1), "1025 characters"),
    "a NUL": ("a\0b", "NUL"),
    "a brace bomb": ("{a,b}" * 30, "alternatives"),
    "a range bomb": ("{1..1000000000}", "alternatives"),
    "a nest of braces": ("{" * 500, "braces"),
    "very many directories": ("a/" * 100 + "b", "segments"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused(sentence: str) -> None:
    pattern, words = REFUSED[sentence]
    with pytest.raises(Stalled, match=words) as caught:
        FileFilter(pattern)
    assert caught.value.reason == Reason.INVALID_PATTERN
    assert "spec.filePattern" in caught.value.message


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("**/a/**/a/**/a/**/a/**/b", "a/" * 500 + "c"),
        ("*a*a*a*a*a*a*a*a*a*b", "a" * 1024),
        ("/".join(["**"] * 30) + "/x", "y/" * 500),
    ],
)
def test_hostile_pattern_ends(pattern: str, key: str) -> None:
    # A backtracking matcher needs hours for these; the bound is far above what any machine needs.
    started = time.monotonic()
    assert not FileFilter(pattern).matches(key)
    assert time.monotonic() - started < 20


_SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "x.mp4"]), min_size=1, max_size=5)
_PATTERN_SEGMENTS = st.lists(
    st.sampled_from(["a", "*", "**", "a*", "?", "[ab]", "*.mp4", "x.*"]), min_size=2, max_size=5
)


@given(pattern=_PATTERN_SEGMENTS, segments=_SEGMENTS)
@settings(max_examples=500)
def test_paths_agree_with_wcmatch(pattern: list[str], segments: list[str]) -> None:
    text, key = "/".join(pattern), "/".join(segments)
    flags = glob.GLOBSTAR | glob.DOTGLOB | glob.FORCEUNIX | glob.CASE
    assert FileFilter(text).matches(key) == glob.globmatch(key, text, flags=flags)


@given(pattern=st.text(max_size=60), key=st.text(min_size=1, max_size=60), size=st.integers(0, 3))
@settings(max_examples=500)
def test_any_text_is_compiled_or_refused(pattern: str, key: str, size: int) -> None:
    with contextlib.suppress(Stalled):
        FileFilter(pattern).decide_file(key, size)


def test_the_media_types_are_the_contracts() -> None:
    assert set(MEDIA_TYPES) == {
        *("mp4", "avi", "mkv", "mov", "webm"),
        *("mp3", "wav", "flac", "m4a", "ogg", "aac"),
        *("jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff", "heic", "heif"),
    }
    assert media_type_of("a/b.JPEG") == MEDIA_TYPES["jpg"]
    assert extension_of("a.b/c") == ""
