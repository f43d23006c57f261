"""Google's listing over fake-gcs-server's flat one: folding at a delimiter, pages that count prefixes, page tokens."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from .answers import invalid, unserved
from .backend import Backend, Json
from .store import shown

LARGEST_PAGE = 1000
_UNSERVED = {"matchGlob", "versions", "softDeleted", "includeTrailingDelimiter", "includeFoldersAsPrefixes", "filter"}


@dataclass
class _Page:
    """What has been gathered, in key order."""

    size: int
    items: list[Json] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""

    @property
    def full(self) -> bool:
        return len(self.items) + len(self.prefixes) >= self.size

    def add(self, entry: str, resource: Json, *, folded: bool) -> None:
        if folded:
            self.prefixes.append(entry)
        else:
            self.items.append(shown(resource))
        self.last = entry


async def list_objects(backend: Backend, bucket: str, query: Mapping[str, str]) -> Json:
    """Answer one page."""
    if unknown := sorted(_UNSERVED & query.keys()):
        raise unserved(f"listing with {unknown[0]}")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    page = _Page(_page_size(query))
    after = _decode_token(query["pageToken"]) if query.get("pageToken") else None
    start = max(query.get("startOffset", ""), after or "")
    end = query.get("endOffset", "")
    while True:
        found = await backend.list_flat(bucket, prefix, start, end, LARGEST_PAGE)
        for resource in found:
            entry = _fold(resource["name"], prefix, delimiter)
            if entry == page.last or (after is not None and entry <= after):
                continue
            if page.full:
                return _answer(page, more=True)
            page.add(entry, resource, folded=bool(delimiter) and delimiter in resource["name"][len(prefix) :])
        if len(found) < LARGEST_PAGE:
            return _answer(page, more=False)
        start = found[-1]["name"] + "\x00"


def _fold(key: str, prefix: str, delimiter: str) -> str:
    """The key itself, or what of it ends with the first delimiter behind the prefix."""
    place = key.find(delimiter, len(prefix)) if delimiter else -1
    return key if place < 0 else key[: place + len(delimiter)]


def _page_size(query: Mapping[str, str]) -> int:
    wanted = query.get("maxResults", str(LARGEST_PAGE))
    if not wanted.isdigit():
        raise invalid(f"Invalid value for maxResults: {wanted}", "maxResults")
    return min(int(wanted) or LARGEST_PAGE, LARGEST_PAGE)


def _decode_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise invalid("Invalid value for page token.", "pageToken") from None


def _answer(page: _Page, *, more: bool) -> Json:
    answer: Json = {"kind": "storage#objects"}
    if more:
        answer["nextPageToken"] = base64.urlsafe_b64encode(page.last.encode()).decode()
    if page.prefixes:
        answer["prefixes"] = page.prefixes
    if page.items:
        answer["items"] = page.items
    return answer
