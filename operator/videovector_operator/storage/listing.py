"""Follows a provider's listing page by page, the same for every provider: order, progress and resuming are checked here.

How a page is asked for and parsed is the provider's `Fetch`. No request and no provider's semantics may enter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from videovector_operator.errors import Invalid
from videovector_operator.storage.port import ListPage, ObjectInfo

_MOST_IDLE_PAGES = 1000
"""Empty pages in a row are legal (deleted versions), endless ones are not."""


class RawPage(NamedTuple):
    """One parsed reply: entries as the server sent them, and how to go on. ``more`` without ``token`` means by the last key."""

    objects: list[ObjectInfo]
    prefixes: list[str]
    more: bool
    token: str


Fetch = Callable[[str, str], Awaitable[RawPage]]
"""Asks for the page behind a token; with no token, for the one behind (or from) a last entry; with neither, for the first."""


async def follow_pages(fetch: Fetch, label: str, start_after: str, *, order_hint: str) -> AsyncIterator[ListPage]:
    """Yield pages that hold something; entries (keys and prefixes) at or before ``start_after`` never come.

    ``label`` names the bucket and ``order_hint`` is the next step for people whose server does not list in order. Raises Invalid
    for a listing that is out of order or does not advance.
    """
    last, token, idle = start_after, "", 0
    while True:
        page = await fetch(token, last)
        found, reached = _after(page, last, label, order_hint)
        if found is not None:
            yield found
        if not page.more:
            return
        idle = idle + 1 if reached == last else 0
        if idle and (page.token in ("", token) or idle > _MOST_IDLE_PAGES):
            raise Invalid(f"The listing of {label} does not advance: the server repeats itself")
        last, token = reached, page.token


def _after(page: RawPage, last: str, label: str, order_hint: str) -> tuple[ListPage | None, str]:
    """Drop what is not behind ``last`` and check the order that resuming depends on.

    Python compares texts by code points, which is the order of their UTF-8 bytes.
    """
    objects = page.objects
    if objects and objects[0].key <= last:
        objects = [entry for entry in objects if entry.key > last]
    prefixes = [entry for entry in page.prefixes if entry > last] if last else page.prefixes
    keys = [entry.key for entry in objects]
    if keys != sorted(keys) or prefixes != sorted(prefixes):
        raise Invalid(
            f"The server does not list {label} in key order, so that a listing could not be resumed{order_hint}"
        )
    reached = max(last, keys[-1] if keys else "", prefixes[-1] if prefixes else "")
    if not objects and not prefixes:
        return None, reached
    return ListPage(tuple(objects), tuple(prefixes), reached), reached
