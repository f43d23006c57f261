"""The pattern dialect of ``spec.filePattern`` in its plainest form, to compare the real one with. Slow, and obviously right.

Without braces, which are expanded before anything is matched. Nothing of the operator may be imported.
"""

from __future__ import annotations

from functools import cache

ALPHABET = ("a", "b", "*", "**", "?", "[ab]", "[!a]", "/", "/**/", "**/", "\\*", "\\a")


def means(pattern: str, key: str) -> bool:
    """Whether the pattern means the key (with an empty source prefix)."""
    path = key.removesuffix("/")
    if "/" not in pattern:
        return _fits_segment(pattern, path.rpartition("/")[2])
    return _walks(tuple(pattern.split("/")), tuple(path.split("/")))


@cache
def _walks(pattern: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    if not pattern:
        return not segments
    if pattern[0] == "**":
        rest = _without_leading_stars(pattern)
        if not rest:
            return bool(segments)
        return any(_walks(rest, segments[taken:]) for taken in range(len(segments) + 1))
    return bool(segments) and _fits_segment(pattern[0], segments[0]) and _walks(pattern[1:], segments[1:])


def _without_leading_stars(pattern: tuple[str, ...]) -> tuple[str, ...]:
    while pattern and pattern[0] == "**":
        pattern = pattern[1:]
    return pattern


def _fits_segment(pattern: str, segment: str) -> bool:
    """A segment that begins with a star means names; an empty one is none."""
    return (bool(segment) or not pattern.startswith("*")) and _fits(_tokens(pattern), segment)


def _tokens(segment: str) -> tuple[str, ...]:
    """Split into characters, ``*``, ``?``, classes and escaped characters."""
    found, rest = [], segment
    while rest:
        length = {"[": rest.find("]") + 1, "\\": 2}.get(rest[0], 1)
        found.append(rest[:length])
        rest = rest[length:]
    return tuple(found)


@cache
def _fits(tokens: tuple[str, ...], text: str) -> bool:
    if not tokens:
        return not text
    if tokens[0] == "*":
        return any(_fits(tokens[1:], text[taken:]) for taken in range(len(text) + 1))
    return bool(text) and _is_meant(tokens[0], text[0]) and _fits(tokens[1:], text[1:])


def _is_meant(token: str, char: str) -> bool:
    match token[0]:
        case "?":
            return True
        case "\\":
            return token[1] == char
        case "[":
            return (char in token.strip("[!]")) is not token.startswith("[!")
        case _:
            return token == char
