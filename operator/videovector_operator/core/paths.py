r"""Object keys below a base path that nothing can leave: `normalize_base_path` for what users write, `join_below` for what is
built on it. Pure.

Object stores take ".." for an ordinary name; what reads from them (downloads, file systems, proxies, consoles) often does not.
So a key is built from segments, and a segment that anybody could take for more than a name is refused, never repaired:

============================================  ===============================================================
refused                                       because
============================================  ===============================================================
empty, "." and "..", only dots or spaces,     directories, to whoever resolves paths
also of other scripts, or before ";"
"/" at the start, "C:" at the start           absolute, on some system
backslash, NUL, control and line separators   separators or ends of a string, on some system
"%2e", "%252f", "..%20", "%c0%ae", "%u002e"   any of the above once somebody decodes, however often
full-width and other forms of . / % \         any of the above once somebody normalises (NFKC), or by their looks
invisible characters, also of direction       a name that reads as another one
over 255 bytes a segment, 1,024 bytes a key   no store or file system holds it
============================================  ===============================================================

Text is brought to NFC, so that one name has one form. No I/O may enter.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from videovector_operator.api.v1alpha1.connector import ConnectorSpec
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.errors import Stalled

MAX_BASE_BYTES = 512
MAX_SEGMENT_BYTES = 255
MAX_KEY_BYTES = 1024
FIELD = "spec.exportBasePath"

_SHOWN = 64
_MAX_READINGS = 2 * MAX_SEGMENT_BYTES
"""Names that can be read in more ways than this are made to be misread."""
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCODED = re.compile(r"%(?:[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})")
_SEPARATORS = frozenset("./\\")
_SPECIAL = _SEPARATORS | {"%"}
_LOOK_ALIKES = frozenset("\u2044\u2215\u2216\u2571\u2572\u29f5\u29f8\u29f9")
"""Fraction and division slashes, set minus and box-drawing diagonals: NFKC leaves them, eyes do not."""
_JOINERS = frozenset("\u200c\u200d")
"""Invisible, but part of words in several scripts."""
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
"""Letters and marks that show nothing (Unicode's Default_Ignorable_Code_Point, and the empty braille pattern)."""
_DOTS = frozenset(".\u06d4\u0701\u0702\ua4f8")
"""The full stop, and letters and stops of other scripts that look like one; alone they make a name that reads as a directory."""


def export_base_path(spec: ConnectorSpec) -> str:
    """The base path in force, normalised, without slashes at its ends; "" = the whole bucket. Raises Stalled (InvalidSpec)."""
    return normalize_base_path(spec.export_base_path) if spec.export_base_path else ""


def export_prefix(spec: ConnectorSpec) -> str:
    """What every exported key begins with: the base path and a slash; "" = no base path. Raises Stalled (InvalidSpec)."""
    base = export_base_path(spec)
    return f"{base}/" if base else ""


def normalize_base_path(text: str, *, field: str = FIELD) -> str:
    """Bring a base path to its one form: NFC, no slash at the end.

    ``field`` names it in messages. Raises Stalled (InvalidSpec) that says which segment and why.
    """
    if not text:
        raise _refuse(field, "is empty; leave it out, or write a path such as exports/team-a")
    if text.startswith("/"):
        raise _refuse(field, 'begins with "/"; write it relative to the bucket, for instance exports/team-a')
    path = _to_nfc(text, field).removesuffix("/")
    segments = path.split("/")
    for segment in segments:
        _check_segment(segment, field)
    size = len(path.encode())
    if size > MAX_BASE_BYTES:
        raise _refuse(
            field, f"has {size} bytes in UTF-8; at most {MAX_BASE_BYTES} are allowed, for keys below it need room too"
        )
    return "/".join(segments)


def join_below(base: str, *segments: str, field: str = FIELD) -> str:
    """Build the key of an object below ``base`` ("" = the bucket's root) from single names.

    The result is ``base``, "/" and the names, joined by "/"; no name can hold a slash. Raises Stalled (InvalidSpec).
    """
    root = normalize_base_path(base, field=field) if base else ""
    if not segments:
        raise _refuse(field, "needs a name below it")
    names = [_to_nfc(segment, field) for segment in segments]
    for name in names:
        if "/" in name:
            raise _refuse(field, f'cannot have a name with "/" below it: {_show(name)}')
        _check_segment(name, field)
    key = "/".join([root, *names] if root else names)
    size = len(key.encode())
    if size > MAX_KEY_BYTES:
        raise _refuse(
            field, f"makes a key of {size} bytes with {_show(names[-1])}; at most {MAX_KEY_BYTES} are possible"
        )
    return key


def _to_nfc(text: str, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refuse(field, f"is not valid Unicode text: {_show(text)}") from None
    return unicodedata.normalize("NFC", text)


def _check_segment(segment: str, field: str) -> None:
    problem = _find_problem(segment)
    if problem is not None:
        raise _refuse(field, f"has the segment {_show(segment)}, {problem}")


def _find_problem(segment: str) -> str | None:
    """Say what is wrong with one name; None = nothing."""
    size = len(segment.encode())
    if size > MAX_SEGMENT_BYTES:
        return f"which has {size} bytes in UTF-8; at most {MAX_SEGMENT_BYTES} are possible"
    problem = _find_plain_problem(segment)
    if problem is not None:
        return problem
    folded = next((char for char in segment if _is_look_alike(char)), None)
    if folded is not None:
        name = unicodedata.name(folded, f"U+{ord(folded):04X}")
        return f'which holds {name}; it can be taken for ".", "/", "%" or a backslash: write another character'
    return _find_plain_problem(unicodedata.normalize("NFKC", segment)) or _find_encoded_problem(segment)


def _find_plain_problem(segment: str) -> str | None:
    """What is wrong with a name as it stands."""
    if not segment:
        return 'which is empty; write one "/" between two names, and none at the start'
    # Some servers take what follows a semicolon for a parameter, and resolve what is before it.
    if set(_visible(segment).partition(";")[0]) <= _DOTS:
        return "which stands for a directory instead of naming one; leave it out"
    if "\\" in segment:
        return 'which holds a backslash; write "/" between names'
    if any(_is_control(char) for char in segment):
        return "which holds a control or invisible character; take it out"
    if _DRIVE.match(segment):
        return "which begins like a drive letter; write another name"
    return None


def _find_encoded_problem(segment: str) -> str | None:
    """What somebody finds who normalises and decodes percent signs, in any order and until nothing is left to decode."""
    waiting = [segment, unicodedata.normalize("NFKC", segment)]
    seen: set[str] = set()
    while waiting:
        form = waiting.pop()
        if form in seen or not _ENCODED.search(form):
            continue
        seen.add(form)
        try:
            once = unquote_to_bytes(form).decode()
        except UnicodeDecodeError:
            return "which holds percent-encoded bytes that are no text; write the name plainly"
        readings = [once, unicodedata.normalize("NFKC", once)]
        is_worse = _adds_danger(once, form) or any(_find_plain_problem(reading) for reading in readings)
        if once == form or len(seen) > _MAX_READINGS or is_worse:
            return "which holds percent-encoded dots, slashes or control characters; write the name plainly"
        waiting += readings
    return None


def _adds_danger(decoded: str, encoded: str) -> bool:
    """Whether decoding brought out a character that can be taken for a separator, or is hidden."""
    return any(_is_dangerous(char) and decoded.count(char) > encoded.count(char) for char in decoded)


def _visible(segment: str) -> str:
    return "".join(
        char for char in segment if not char.isspace() and char not in _INVISIBLE and unicodedata.category(char) != "Cf"
    )


def _is_control(char: str) -> bool:
    category = unicodedata.category(char)
    is_hidden = category == "Cf" and char not in _JOINERS
    return is_hidden or char in _INVISIBLE or category in ("Cc", "Zl", "Zp")


def _is_look_alike(char: str) -> bool:
    if char in _LOOK_ALIKES:
        return True
    return char not in _SPECIAL and not _SPECIAL.isdisjoint(unicodedata.normalize("NFKC", char))


def _is_dangerous(char: str) -> bool:
    return char in _SEPARATORS or _is_control(char) or _is_look_alike(char)


def _show(text: str) -> str:
    """The text for people: cut, with everything that cannot be seen written as an escape."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"


def _refuse(field: str, problem: str) -> Stalled:
    return Stalled(Reason.INVALID_SPEC, f"{field} {problem}.")
