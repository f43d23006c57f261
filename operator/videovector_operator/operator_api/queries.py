"""What is asked for: the query of a request as checked values. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from videovector_operator.core.file_filter import FileFilter
from videovector_operator.core.records import FileState
from videovector_operator.errors import Stalled
from videovector_operator.operator_api.problems import ApiProblem, invalid

MAX_OBJECTS = 10_000
"""Objects that one browse looks at, and so the most that it can show."""
MAX_FILES = 5_000
"""Files on one page of a run's list."""
_MAX_PREFIX = 1024
_MAX_WORD = 64

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class BrowseQuery:
    """Which objects are shown. ``prefix`` is a raw key prefix, not a folder; ``files`` decides by the pattern."""

    prefix: str
    files: FileFilter
    recursive: bool
    limit: int


@dataclass(frozen=True, slots=True)
class FilesQuery:
    """Which files of a run are listed; ``after`` is the path that the last page ended with."""

    state: FileState | None
    reason: str | None
    after: str
    limit: int


def parse_browse(query: Query) -> BrowseQuery:
    """Read the query of a browse. Raises ApiProblem (422) with the parameter and what it may be."""
    values = _single(query, ("prefix", "pattern", "recursive", "limit"))
    prefix = values.get("prefix", "")
    if len(prefix) > _MAX_PREFIX:
        raise invalid(f"prefix has {len(prefix)} characters; at most {_MAX_PREFIX} are allowed")
    try:
        files = FileFilter(values.get("pattern", "*"), prefix)
    except Stalled as error:
        raise ApiProblem(422, error.reason, error.message.replace("spec.filePattern", "pattern", 1)) from None
    return BrowseQuery(prefix, files, _flag(values, "recursive", default=True), _number(values, 100, MAX_OBJECTS))


def parse_files(query: Query) -> FilesQuery:
    """Read the query of a list of files. Raises ApiProblem (422) with the parameter and what it may be."""
    values = _single(query, ("state", "reason", "after", "limit"))
    reason = values.get("reason")
    if reason is not None and not (reason.isalnum() and reason.isascii() and len(reason) <= _MAX_WORD):
        raise invalid("reason must be one word, for instance UnreadableMedia")
    return FilesQuery(_state(values), reason, parse_cursor(values.get("after", "")), _number(values, 1000, MAX_FILES))


def build_cursor(path: str) -> str:
    """Write a path as text that any URL carries: keys may hold any character."""
    return base64.urlsafe_b64encode(path.encode("utf-8", "surrogatepass")).decode("ascii")


def parse_cursor(text: str) -> str:
    """Undo `build_cursor`. Raises ApiProblem (422)."""
    try:
        return base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, UnicodeError):
        raise invalid("after must be the value of next in the page before") from None


def _single(query: Query, known: Sequence[str]) -> dict[str, str]:
    unknown = sorted(set(query) - set(known))
    if unknown:
        raise invalid(f"there is no parameter {unknown[0][:40]!r}; there are {', '.join(known)}")
    repeated = [name for name, values in query.items() if len(values) != 1]
    if repeated:
        raise invalid(f"{repeated[0]} is given more than once")
    return {name: values[0] for name, values in query.items()}


def _flag(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    if name not in values:
        return default
    if values[name] not in ("true", "false"):
        raise invalid(f"{name} must be true or false")
    return values[name] == "true"


def _number(values: Mapping[str, str], default: int, highest: int) -> int:
    text = values.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= highest):
        raise invalid(f"limit must be a number from 1 to {highest}")
    return int(text)


def _state(values: Mapping[str, str]) -> FileState | None:
    text = values.get("state")
    if text is None:
        return None
    if text not in set(FileState):
        raise invalid(f"state must be one of {', '.join(FileState)}")
    return FileState(text)
