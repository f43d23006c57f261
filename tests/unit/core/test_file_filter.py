"""The pattern dialect and the choice candidate / skipped / not meant."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcmatch import glob

from tests.support.hostile_patterns import BOMBS, KEYS, REFUSED
from tests.support.pattern_reference import ALPHABET, means
from videovector_operator.api.v1alpha1.reasons import FileReason, Reason
from videovector_operator.core.file_filter import FileFilter
from videovector_operator.core.media_types import MEDIA_TYPES, extension_of, media_type_of
from videovector_operator.core.path_patterns import PathPatterns
from videovector_operator.errors import Stalled

ROOT = Path(__file__).parents[3]
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


EXPORTS = {
    "below the base path": ("exports/team-a/clip.mp4", True),
    "further below": ("exports/team-a/run/clip.mp4", True),
    "the base path's own marker": ("exports/team-a/", True),
    "a text file below": ("exports/team-a/part.json", True),
    "a name that begins like it": ("exports/team-ab/clip.mp4", False),
    "above it": ("exports/clip.mp4", False),
    "the same further down": ("x/exports/team-a/clip.mp4", False),
}


@pytest.mark.parametrize("sentence", EXPORTS)
def test_exports_are_not_imported_again(sentence: str) -> None:
    key, is_skipped = EXPORTS[sentence]
    choice = FileFilter("*", excluded_prefix="exports/team-a/").decide_file(key, 5)
    assert choice is not None
    assert (choice.skip_reason is FileReason.BELOW_EXPORT_BASE_PATH) is is_skipped


def test_exports_that_the_pattern_does_not_mean_are_not_counted() -> None:
    assert FileFilter("*.mp4", excluded_prefix="exports/").decide_file("exports/a.json", 5) is None


def test_what_the_pattern_does_not_mean_is_not_counted() -> None:
    assert FileFilter("*.mp4").decide_file("notes.txt", 5) is None


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_pattern_is_refused_with_words(name: str) -> None:
    pattern, words = REFUSED[name]
    with pytest.raises(Stalled, match=words) as caught:
        FileFilter(pattern)
    assert caught.value.reason == Reason.INVALID_PATTERN
    assert caught.value.message.startswith("spec.filePattern ")
    assert len(caught.value.message) < 300


def test_no_hostile_pattern_keeps_a_process_busy() -> None:
    """All of them against all hostile keys, in a process that can be ended; a backtracking matcher needs hours for one."""
    command = [sys.executable, "-m", "tests.support.hostile_patterns"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    done = subprocess.run(command, cwd=ROOT, env=env, timeout=120, check=True, capture_output=True, text=True)
    assert f"{len(BOMBS) * len(KEYS)} matches" in done.stdout


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


@given(
    pattern=st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=10).map("".join), key=st.text("ab/", min_size=1)
)
@settings(max_examples=1000)
@example(pattern="**/a/**/b", key="a/b/a/b")
@example(pattern="*a*a*b", key="aaaaaaab")
@example(pattern="a/**/**", key="a")
def test_any_pattern_means_what_the_reference_says(pattern: str, key: str) -> None:
    assert FileFilter(pattern).matches(key) is means(pattern, key)


class Counting:
    """Stands for a compiled segment that fits everything, and counts how often it is asked."""

    def __init__(self, counts: list[str]) -> None:
        self._counts = counts

    def fullmatch(self, text: str) -> bool:
        self._counts.append(text)
        return True


@given(
    st.lists(st.lists(st.sampled_from([None, 0, 1, 2, 3]), min_size=1, max_size=12), min_size=1, max_size=10),
    st.integers(1, 60),
)
def test_a_path_costs_at_most_one_match_a_segment_and_different_pattern(shapes: list[list[int | None]], n: int) -> None:
    asked: list[str] = []
    parts = [Counting(asked) for _ in range(4)]
    patterns = [[None if part is None else parts[part] for part in shape] for shape in shapes]
    PathPatterns(patterns).match("/".join("a" * n))  # type: ignore[arg-type]  # counts instead of matching
    assert len(asked) <= n * len(parts)


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
