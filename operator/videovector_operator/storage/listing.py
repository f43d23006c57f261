"""Follows a provider's listing page by page, the same for every provider: order, progress and resuming are checked here.

How a page is asked for and parsed is the provider's `Fetch`. No request and no provider's semantics may enter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

from videovector_operator.errors import Invalid
from videovector_operator.storage.port import ListPage, ObjectInfo

_MOST_IDLE_PAGES = 1000
"""Empty pages in a row are legal (deleted versions), endless ones are not."""
_SHOWN = 64
_LARGEST_SIZE = 2**63 - 1
"""A bigint of PostgreSQL, an int64 of the Kubernetes API; millions of times what providers store as one object."""


_ENTRY_BYTES = 12 * 1024
"""A name of 1,024 characters, each up to nine bytes when encoded, and the rest."""
_SMALLEST_BOUND = 1024 * 1024


def page_bytes(entries: int) -> int:
    """How long the reply to a request for so many entries may be. What is longer is no listing: parsed, it takes twenty times the room."""
    return max(_SMALLEST_BOUND, entries * _ENTRY_BYTES)


class RawPage(NamedTuple):
    """One parsed reply: entries as the server sent them, and how to go on. ``more`` without ``token`` means by the last key.

    ``is_again`` = it may begin with what was passed already, although a token was to be followed.
    """

    objects: list[ObjectInfo]
    prefixes: list[str]
    more: bool
    token: str
    is_again: bool = False


Fetch = Callable[[str, str], Awaitable[RawPage]]
"""Asks for the page behind a token; with no token, for the one behind (or from) a last entry; with neither, for the first."""


class KeyOrder:
    """The order in which a server lists: by code points, which is the order of UTF-8 bytes. Another order is a subclass."""

    def is_sorted(self, names: list[str]) -> bool:
        """Tell whether ``names`` stand in order."""
        return names == sorted(names)

    def is_behind(self, name: str, last: str) -> bool:
        """Tell whether ``name`` comes behind ``last``."""
        return name > last

    def last_of(self, names: list[str]) -> str:
        """Return the name that comes last."""
        return max(names)


_BY_CODE_POINTS = KeyOrder()


async def follow_pages(
    fetch: Fetch,
    label: str,
    start_after: str,
    *,
    prefix: str = "",
    order_hint: str,
    order: KeyOrder = _BY_CODE_POINTS,
) -> AsyncIterator[ListPage]:
    """Yield pages that hold something; entries (keys and prefixes) at or before ``start_after`` never come.

    ``label`` names the bucket, ``prefix`` is what was asked for, and ``order_hint`` is the next step for people whose server does not
    list in order. Raises Invalid for a listing that is out of order, holds what does not begin with ``prefix``, or does not advance.
    """
    last, token, idle, sent = start_after, "", 0, ""
    while True:
        page = await fetch(token, last)
        found, reached = _after(page, last, order)
        # Behind a token nothing comes that was passed already: a name out of its place must not vanish as if it were that.
        is_next = token != "" and not page.is_again
        looked_at = page if is_next else found
        if not _is_in_order(looked_at, sent if is_next else "", order):
            raise Invalid(
                f"The server does not list {label} in key order, so that a listing could not be resumed{order_hint}"
            )
        sent = _end_of(page.objects, page.prefixes, sent, order)
        _refuse_strangers(looked_at, prefix, label)
        _refuse_senseless_sizes(found, label)
        if found.objects or found.prefixes:
            yield found
        if not page.more:
            return
        idle = idle + 1 if reached == last else 0
        if idle and (page.token in ("", token) or idle > _MOST_IDLE_PAGES):
            raise Invalid(f"The listing of {label} does not advance: the server repeats itself")
        last, token = reached, page.token


def _is_in_order(page: RawPage | ListPage, sent: str, order: KeyOrder) -> bool:
    """Tell whether names stand in order, and objects behind ``sent``, which came last on the page before; it may come twice.

    Prefixes come twice on more servers than one, and are no files.
    """
    keys = [entry.key for entry in page.objects]
    is_behind = not sent or not keys or keys[0] == sent or order.is_behind(keys[0], sent)
    return is_behind and order.is_sorted(keys) and order.is_sorted([*page.prefixes])


def _end_of(objects: Sequence[ObjectInfo], prefixes: Sequence[str], before: str, order: KeyOrder) -> str:
    """Return the name that comes last among them; ``before`` when there is none."""
    ends = [*(entry.key for entry in objects[-1:]), *prefixes[-1:]]
    return order.last_of(ends) if ends else before


def _refuse_strangers(page: RawPage | ListPage, prefix: str, label: str) -> None:
    """Raise Invalid for entries that do not begin with ``prefix``: some servers ignore it, and would have us take everything.

    The page is known to be in order, and in every order names of one prefix stand side by side: the ends speak for all between them.
    """
    ends = [*(entry.key for entry in (*page.objects[:1], *page.objects[-1:])), *page.prefixes[:1], *page.prefixes[-1:]]
    if not all(name.startswith(prefix) for name in ends):
        raise Invalid(
            f"The server does not keep to the prefix {prefix[:_SHOWN]!r}: its listing of {label} holds other names too. Check the endpoint"
        )


def _refuse_senseless_sizes(page: ListPage, label: str) -> None:
    """Raise Invalid for sizes that no catalog can hold: no object has them, so this is no store."""
    for entry in page.objects:
        if not 0 <= entry.size <= _LARGEST_SIZE:
            raise Invalid(
                f"The listing of {label} gives object {entry.key[:_SHOWN]!r} a size that no object has. Check the endpoint"
            )


def _after(page: RawPage, last: str, order: KeyOrder) -> tuple[ListPage, str]:
    """Drop what is not behind ``last``, which is where resuming depends on the order; also tell how far the page reached."""
    objects, prefixes = page.objects, page.prefixes
    if last and objects and not order.is_behind(objects[0].key, last):
        objects = [entry for entry in objects if order.is_behind(entry.key, last)]
    if last and prefixes:
        prefixes = [entry for entry in prefixes if order.is_behind(entry, last)]
    reached = _end_of(objects, prefixes, last, order)
    return ListPage(tuple(objects), tuple(prefixes), reached), reached
