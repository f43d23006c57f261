"""objects.list: pages of a bucket in key order, parsed by the C JSON parser (the SDK's client costs many times as much)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TypedDict, cast

from videovector_operator.errors import Invalid, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_address import Address, objects_path
from videovector_operator.storage.gcs_objects import FIELDS, NOT_GOOGLE, Resource, parse_objects
from videovector_operator.storage.listing import RawPage, follow_pages
from videovector_operator.storage.port import ListPage
from videovector_operator.storage.request import Reply, Request

LARGEST_PAGE = 1000
_ORDER_HINT = ": check the endpoint"


class _Listing(TypedDict, total=False):
    items: list[Resource]
    prefixes: list[str]
    nextPageToken: str


def list_pages(
    http: Exchange, address: Address, prefix: str, *, recursive: bool, start_after: str, page_size: int
) -> AsyncIterator[ListPage]:
    """Yield pages that hold something; entries (keys and prefixes) at or before ``start_after`` never come."""
    params = {
        "maxResults": str(max(1, min(page_size, LARGEST_PAGE))),
        "prefix": prefix,
        "fields": f"items({FIELDS}),prefixes,nextPageToken",
    }
    if not recursive:
        params["delimiter"] = "/"

    async def fetch(token: str, last: str) -> RawPage:
        return await _fetch(http, address, params, token, last)

    return follow_pages(fetch, f"bucket '{address.bucket}'", start_after, order_hint=_ORDER_HINT)


async def _fetch(http: Exchange, address: Address, params: dict[str, str], token: str, last: str) -> RawPage:
    """Ask for the page behind ``token``; from ``last`` on when there is none or the server has forgotten it.

    startOffset includes ``last`` itself, which is dropped again: there is no next possible key to start from (NUL is refused).
    """
    by_key = {"startOffset": last} if last else {}

    def request(position: dict[str, str]) -> Request:
        return Request("GET", "list objects", path=objects_path(address.bucket), params={**params, **position})

    def decode(reply: Reply) -> RawPage:
        return _decode(address, reply)

    try:
        return await http.send(request({"pageToken": token} if token else by_key), decode)
    except Invalid as error:
        if not token or error.code != "invalid":
            raise
    return await http.send(request(by_key), decode)


def _decode(address: Address, reply: Reply) -> RawPage:
    try:
        listing = cast("_Listing", json.loads(reply.body))
        token = listing.get("nextPageToken", "")
        prefixes = listing.get("prefixes", [])
        "\0".join([*prefixes, token]).encode()
        return RawPage(parse_objects(listing.get("items", [])), prefixes, bool(token), token)
    except NOT_GOOGLE:
        place = f"bucket '{address.bucket}' at {address.endpoint}"
        body = reply.body.strip()
        if body.startswith(b"{") and not body.endswith(b"}"):
            raise Unavailable(f"A listing of {place} is cut off") from None
        raise Invalid(f"The answer to listing {place} is not Cloud Storage's: check the endpoint") from None
