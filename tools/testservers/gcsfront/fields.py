"""The ``fields`` parameter: what is not asked for is not answered, so that a client that forgets one notices here."""

from typing import Any

from .answers import invalid

Selection = dict[str, "Selection"]


def select(content: Any, fields: str) -> Any:
    """Keep what ``items(name,size),nextPageToken`` or ``resource/name`` names; nothing named keeps everything."""
    return _keep(content, _parse(fields)) if fields and fields != "*" else content


def _keep(content: Any, wanted: Selection) -> Any:
    if not wanted or "*" in wanted:
        return content
    if isinstance(content, list):
        return [_keep(entry, wanted) for entry in content]
    if isinstance(content, dict):
        return {name: _keep(value, wanted[name]) for name, value in content.items() if name in wanted}
    return content


def _parse(fields: str) -> Selection:
    found, rest = _parse_list(fields)
    if rest:
        raise invalid(f"Invalid field selection {fields}", "fields")
    return found


def _parse_list(text: str) -> tuple[Selection, str]:
    """Read terms parted by commas; answer them and what follows the last one."""
    found: Selection = {}
    more = True
    while more:
        name, inner, text = _parse_term(text)
        found[name] = inner
        more = text.startswith(",")
        text = text.removeprefix(",")
    return found, text


def _parse_term(text: str) -> tuple[str, Selection, str]:
    """Read ``name``, ``name/term`` or ``name(terms)``."""
    length = next((place for place, sign in enumerate(text) if sign in ",()/"), len(text))
    name, text = text[:length].strip(), text[length:]
    inner: Selection = {}
    if text.startswith("/"):
        below, deeper, text = _parse_term(text[1:])
        inner = {below: deeper}
    elif text.startswith("("):
        inner, text = _parse_list(text[1:])
        if not text.startswith(")"):
            raise invalid("Invalid field selection: a bracket is not closed", "fields")
        text = text[1:]
    return name, inner, text
