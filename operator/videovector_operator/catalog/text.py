"""Text at the catalog's border: object keys may hold characters that PostgreSQL's text and jsonb cannot.

Two ways, both pure: `escape` and `unescape` are exact (for what identifies a file: keys, locations, fingerprints, specs);
`plain` gives up what cannot be stored (for what people read: titles, messages, technical metadata).
No SQL may enter.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping

from videovector_operator.core.records import JsonValue

_MARK = "\x01"
_SURROGATE = 0xD800
_UNSTORABLE = re.compile("[\x00\x01\ud800-\udfff]")
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED = re.compile(_MARK + "(.)", re.DOTALL)


def escape(text: str) -> str:
    """Turn any Python text into text that PostgreSQL stores; `unescape` gives it back exactly.

    Text without NUL, U+0001 and lone surrogates stays as it is; without lone surrogates the byte order is kept too.
    """
    return _UNSTORABLE.sub(_escape_one, text) if _UNSTORABLE.search(text) else text


def unescape(text: str) -> str:
    """Undo `escape`."""
    return _ESCAPED.sub(_unescape_one, text) if _MARK in text else text


def plain(text: str) -> str:
    """Replace what cannot be stored by U+FFFD."""
    return _UNREADABLE.sub("\ufffd", text)


def escaped_json(value: Mapping[str, JsonValue]) -> str:
    """Serialise ``value`` with every text escaped; `unescaped_json` gives it back exactly."""
    return json.dumps(_map_text(dict(value), escape), allow_nan=False)


def unescaped_json(value: JsonValue) -> JsonValue:
    """Undo `escaped_json` on the parsed value."""
    return _map_text(value, unescape)


def plain_json(value: Mapping[str, JsonValue]) -> str:
    """Serialise ``value`` for people: `plain` text, and null for numbers that are not finite."""
    return json.dumps(_map_text(dict(value), plain), allow_nan=False)


def _escape_one(match: re.Match[str]) -> str:
    code = ord(match.group())
    return _MARK + chr(code + 1 if code < _SURROGATE else code - _SURROGATE + 3)


def _unescape_one(match: re.Match[str]) -> str:
    code = ord(match.group(1))
    return chr(code - 1 if code < 3 else code - 3 + _SURROGATE)


def _map_text(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    match value:
        case str():
            return change(value)
        case dict():
            return {change(key): _map_text(item, change) for key, item in value.items()}
        case list():
            return [_map_text(item, change) for item in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
