"""Asks for JSON and reads it: what every call of Cloud Storage's API but the downloads has in common.

An answer of another kind (a web page, another server's, a cut-off one) never passes for an empty one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from videovector_operator.errors import Invalid, StorageError, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.request import Reply, Request

T = TypeVar("T")
Answer = dict[str, Any]
"""What came, unchecked; whoever reads it may raise what reading something else raises."""

_OF_ANOTHER_KIND = (KeyError, ValueError, TypeError, AttributeError, RecursionError)


async def ask(
    http: Exchange, request: Request, read: Callable[[Answer], T], *, failures: list[StorageError] | None = None
) -> T:
    """Send ``request`` and give its answer to ``read``. Raises StorageError; see `Exchange.send`."""
    return await http.send(request, lambda reply: read_answer(http, request, reply, read), failures=failures)


def read_answer(http: Exchange, request: Request, reply: Reply, read: Callable[[Answer], T]) -> T:
    """Parse one answer and give it to ``read``. Raises Invalid for another kind, Unavailable for one that is cut off."""
    try:
        answer = json.loads(reply.body)
        if "error" in answer:
            raise http.build_error(request, reply)
        return read(answer)
    except _OF_ANOTHER_KIND:
        place = f"Cannot {request.action} in {http.place.label} at {http.place.endpoint}"
        body = reply.body.strip()
        if body.startswith(b"{") and not body.endswith(b"}"):
            raise Unavailable(f"{place}: the answer is cut off") from None
        raise Invalid(f"{place}: the answer is not Cloud Storage's. Check the endpoint") from None
