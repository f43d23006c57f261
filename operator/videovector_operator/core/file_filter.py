r"""Which listed objects a run takes: the pattern dialect of ``spec.filePattern`` and the choice candidate / skipped / not meant.

The dialect (case-sensitive):

====================  ============================================================================================
``* ? [a-z] [!a]``    within one path segment, never across "/"; ``\`` takes the next character as it is
``{mp4,mov}``         alternatives, also ranges ``{1..9}``; at most 100 in all
``**``                as a whole segment: any number of directories, also none; at the end: everything below
====================  ============================================================================================

An alternative without "/" is matched against the object's name (the last segment). One with "/" is matched against the
whole path below the source prefix's directory, that is behind the last "/" of ``spec.sourcePrefix``: with the prefix
``shoots/2026-`` the object ``shoots/2026-05/a.mp4`` has the path ``2026-05/a.mp4``. Names that begin with a dot match too,
"." and ".." are ordinary names, as they are in object storage, and ``*`` alone needs a name: an empty segment is none.

Segments are compiled once by wcmatch, to expressions that never go back behind a star. Directories are matched by
`path_patterns`, because a single regular expression for several ``**`` needs minutes for one hostile key. Whatever the
pattern and the key, a match ends within hundredths of a second: a hostile pair must not stop the loop that others share.
Pure: no I/O, clock or randomness may enter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import bracex
from wcmatch import fnmatch

from videovector_operator.api.v1alpha1.reasons import FileReason, Reason
from videovector_operator.core.media_types import MEDIA_TYPES, extension_of, media_type_of
from videovector_operator.core.path_patterns import PathPatterns, Segment
from videovector_operator.errors import Stalled

MAX_PATTERN_LENGTH = 1024
MAX_ALTERNATIVES = 100
MAX_SEGMENTS = 64

_FLAGS = fnmatch.DOTMATCH | fnmatch.FORCEUNIX | fnmatch.CASE


@dataclass(frozen=True, slots=True)
class FileChoice:
    """A listed object that the run means. ``skip_reason`` None = import it; else why it is skipped, with words for people."""

    skip_reason: FileReason | None = None
    message: str = ""


_IMPORT = FileChoice()
_FOLDER_MARKER = FileChoice(FileReason.FOLDER_MARKER, 'folder marker (the key ends in "/"): it holds no file')
_EXPORTED = FileChoice(
    FileReason.BELOW_EXPORT_BASE_PATH,
    "lies below the exportBasePath of its Connector: what was exported is not imported again",
)
_ZERO_BYTES = FileChoice(FileReason.ZERO_BYTES, "the object has 0 bytes: upload the file again")


class FileFilter:
    """``spec.filePattern`` and ``spec.sourcePrefix``, compiled once for a run.

    ``excluded_prefix`` is where the Connector's exports lie, with the slash at its end; "" = nowhere.
    """

    __slots__ = ("_base", "_excluded", "_name_patterns", "_path_patterns")

    def __init__(self, pattern: str, source_prefix: str = "", *, excluded_prefix: str = "") -> None:
        """Compile. Raises Stalled(InvalidPattern) with a message that names spec.filePattern and the fix."""
        self._base = len(source_prefix.rpartition("/")[0]) + 1 if "/" in source_prefix else 0
        self._excluded = excluded_prefix
        alternatives = _expand(pattern)
        self._name_patterns = tuple(_compile_segment(text) for text in alternatives if "/" not in text)
        self._path_patterns = _compile_paths([text for text in alternatives if "/" in text])

    def matches(self, key: str) -> bool:
        """Whether the pattern means the object; a folder marker is known by the name of its folder."""
        path = key.removesuffix("/")[self._base :]
        name = path.rpartition("/")[2]
        if any(compiled.fullmatch(name) for compiled in self._name_patterns):
            return True
        return self._path_patterns is not None and self._path_patterns.match(path)

    def decide_file(self, key: str, size: int) -> FileChoice | None:
        """Decide about one listed object; None = the pattern does not mean it, so it is not counted at all.

        ======================  =====================
        below the base path of  BelowExportBasePath
        the Connector's exports
        key ends in "/"         FolderMarker
        unknown extension       UnsupportedType
        0 bytes                 ZeroBytes
        otherwise               import
        ======================  =====================
        """
        if not self.matches(key):
            return None
        if self._excluded and key.startswith(self._excluded):
            return _EXPORTED
        if key.endswith("/"):
            return _FOLDER_MARKER
        if media_type_of(key) is None:
            return FileChoice(FileReason.UNSUPPORTED_TYPE, _describe_unsupported(key))
        return _IMPORT if size > 0 else _ZERO_BYTES


def _describe_unsupported(key: str) -> str:
    extension = extension_of(key)
    what = f"the type .{extension[:20]}" if extension else "a name without an extension"
    return f"{what} is not supported; supported are {', '.join(MEDIA_TYPES)}"


def _expand(pattern: str) -> Sequence[str]:
    """Resolve the braces of a pattern that is fit to be compiled."""
    if not pattern:
        raise _refuse('is empty; write "*" for every file')
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise _refuse(f"has {len(pattern)} characters; at most {MAX_PATTERN_LENGTH} are allowed")
    if "\0" in pattern:
        raise _refuse("holds a NUL character; object names cannot hold one")
    if pattern.count("{") > MAX_ALTERNATIVES:
        raise _refuse(f"has more than {MAX_ALTERNATIVES} opening braces; write fewer, or escape them as \\{{")
    try:
        return tuple(dict.fromkeys(bracex.expand(pattern, keep_escapes=True, limit=MAX_ALTERNATIVES)))
    except bracex.ExpansionLimitException:
        raise _refuse(
            f"stands for more than {MAX_ALTERNATIVES} alternatives; use * or ? instead of long braces"
        ) from None


def _compile_segment(text: str) -> re.Pattern[str]:
    # A lone "**" in a name pattern is "*" twice; wcmatch reads it so.
    try:
        included, _ = fnmatch.translate(text, flags=_FLAGS)
        return re.compile(included[0])
    except (re.error, ValueError, IndexError) as error:
        raise _refuse(f"cannot be read near {text[:40]!r}: {error}") from error


def _compile_paths(texts: Sequence[str]) -> PathPatterns | None:
    compiled: dict[str, Segment] = {"**": None}
    patterns = []
    for text in texts:
        segments = text.split("/")
        if len(segments) > MAX_SEGMENTS:
            raise _refuse(f'has {len(segments)} segments between "/"; at most {MAX_SEGMENTS} are allowed')
        for segment in segments:
            if segment not in compiled:
                compiled[segment] = _compile_segment(segment)
        patterns.append([compiled[segment] for segment in segments])
    return PathPatterns(patterns) if patterns else None


def _refuse(problem: str) -> Stalled:
    return Stalled(Reason.INVALID_PATTERN, f"spec.filePattern {problem}.")
