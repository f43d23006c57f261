"""objects.list: pages of a bucket in key order, parsed by the C JSON parser (the SDK's client costs many times as much)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from videovector_operator.errors import Invalid
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_address import Address, objects_path
from videovector_operator.storage.gcs_answers import Answer, ask
from videovector_operator.storage.gcs_objects import FIELDS, parse_objects
from videovector_operator.storage.listing import RawPage, follow_pages, page_bytes
from videovector_operator.storage.port import ListPage
from videovector_operator.storage.request import Request

LARGEST_PAGE = 1000
_ORDER_HINT = ": check the endpoint"
_KIND = "storage#objects"
"""Asked for too, because a listing without objects says nothing else of itself."""


def list_pages(
    http: Exchange, address: Address, prefix: str, *, recursive: bool, start_after: str, page_size: int
) -> AsyncIterator[ListPage]:
    """Yield pages that hold something; entries (keys and prefixes) at or before ``start_after`` never come."""
    params = {
        "maxResults": str(max(1, min(page_size, LARGEST_PAGE))),
        "prefix": prefix,
        "fields": f"kind,items({FIELDS}),prefixes,nextPageToken",
        # Without line breaks for people: a quarter of the bytes.
        "prettyPrint": "false",
    }
    if not recursive:
        params["delimiter"] = "/"

    async def fetch(token: str, last: str) -> RawPage:
        return await _fetch(http, address, params, token, last)

    return follow_pages(fetch, f"bucket '{address.bucket}'", start_after, prefix=prefix, order_hint=_ORDER_HINT)


async def _fetch(http: Exchange, address: Address, params: dict[str, str], token: str, last: str) -> RawPage:
    """Ask for the page behind ``token``; from ``last`` on when there is none or the server has forgotten it.

    startOffset includes ``last`` itself, which is dropped again: there is no next possible key to start from (NUL is refused).
    """
    by_key = {"startOffset": last} if last else {}

    async def send(position: dict[str, str]) -> RawPage:
        keep = page_bytes(int(params["maxResults"]))
        request = Request(
            "GET", "list objects", path=objects_path(address.bucket), params={**params, **position}, keep=keep
        )
        return await ask(http, request, _read)

    try:
        return await send({"pageToken": token} if token else by_key)
    except Invalid as error:
        if not token or error.code != "invalid":
            raise
    return await send(by_key)


def _read(answer: Answer) -> RawPage:
    if answer["kind"] != _KIND:
        raise ValueError(_KIND)
    token = answer.get("nextPageToken", "")
    prefixes = answer.get("prefixes", [])
    "\0".join([*prefixes, token]).encode()
    return RawPage(parse_objects(answer.get("items", [])), prefixes, bool(token), token)
