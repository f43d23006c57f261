"""List Blobs: pages of a container, parsed by the C XML parser (the SDK's own costs many times as much).

Markers do not outlive a listing. A listing that is resumed asks to start at the last name, which only newer servers do:
that they did shows in their first entry, which must be that very name. Else it walks from the beginning and drops what it has
passed: dearer, never wrong. Directories of hierarchical namespaces are no blobs and left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from videovector_operator.errors import Invalid, StorageError, Unavailable
from videovector_operator.storage.azure_address import Address
from videovector_operator.storage.azure_blobs import build_info
from videovector_operator.storage.azure_errors import OLD_VERSION
from videovector_operator.storage.azure_order import AzureOrder
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.listing import RawPage, follow_pages, page_bytes
from videovector_operator.storage.port import ListPage, ObjectInfo
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.xml_reply import parse_xml

LARGEST_PAGE = 5000
_START_FROM_VERSION = "2026-02-06"
"""The first API version with startFrom."""
_FORGOTTEN = ("OutOfRangeInput", "InvalidQueryParameterValue")
"""Codes of a marker that the server does not take."""
_MOST_PAGES = 10_000_000
"""More than any account holds."""
_ORDER_HINT = ": check the endpoint"


class Listing:
    """The listings of one container. What it learns of the server serves the next ones too."""

    def __init__(self, http: Exchange, address: Address) -> None:
        self._http = http
        self._address = address
        self._knows_start_from = True
        self._order = AzureOrder()

    def list_pages(self, prefix: str, *, recursive: bool, start_after: str, page_size: int) -> AsyncIterator[ListPage]:
        """Yield pages that hold something; entries (names and prefixes) at or before ``start_after`` never come."""
        params = {
            "restype": "container",
            "comp": "list",
            "maxresults": str(max(1, min(page_size, LARGEST_PAGE))),
            "include": "metadata",
        }
        if prefix:
            params["prefix"] = prefix
        if not recursive:
            params["delimiter"] = "/"

        async def fetch(token: str, last: str) -> RawPage:
            if token:
                return await self._fetch_marked(params, token, last)
            return await self._fetch_behind(params, last) if last else await self._fetch(params)

        label, order = self._address.label, self._order
        return follow_pages(fetch, label, start_after, prefix=prefix, order_hint=_ORDER_HINT, order=order)

    async def _fetch_marked(self, params: dict[str, str], marker: str, last: str) -> RawPage:
        """Ask for the page behind ``marker``; by name when the server has forgotten it."""
        try:
            return await self._fetch({**params, "marker": marker})
        except Invalid as error:
            if error.code not in _FORGOTTEN:
                raise
        return (await self._fetch_behind(params, last))._replace(is_again=True)

    async def _fetch_behind(self, params: dict[str, str], last: str) -> RawPage:
        """Return the first page that holds something behind ``last``."""
        if self._knows_start_from and "delimiter" not in params:
            page = await self._fetch_from(params, last)
            if page is not None and page.objects and page.objects[0].key == last:
                return page
        if self._order.is_hierarchical is None:
            self._order.is_hierarchical = await self._ask_order()
        return await self._walk(params, last)

    async def _fetch_from(self, params: dict[str, str], name: str) -> RawPage | None:
        """Ask for the page that begins with ``name``; None = the server does not know how."""
        try:
            return await self._fetch({**params, "startFrom": name}, {"x-ms-version": _START_FROM_VERSION})
        except Invalid as error:
            if error.code != OLD_VERSION:
                raise
        self._knows_start_from = False
        return None

    async def _walk(self, params: dict[str, str], last: str) -> RawPage:
        """Go from the beginning to ``last``, in the largest pages: what is passed over need not be of the size that was asked for."""
        large, marker = {**params, "maxresults": str(LARGEST_PAGE)}, ""
        for _ in range(_MOST_PAGES):
            page = await self._fetch({**large, "marker": marker} if marker else large)
            names = [*(entry.key for entry in page.objects[-1:]), *page.prefixes[-1:]]
            if not page.more or any(self._order.is_behind(name, last) for name in names):
                return page
            if page.token in ("", marker):
                break
            self._order.is_sorted([entry.key for entry in page.objects])
            marker = page.token
        raise Invalid(f"The listing of {self._address.label} does not advance: the server repeats itself")

    async def _ask_order(self) -> bool | None:
        """Ask whether the account has a hierarchical namespace; None = nobody says. A container's SAS may not ask the account."""
        for path in (self._address.container_path, "/"):
            request = Request(
                "GET", "ask for the account's kind", path=path, params={"restype": "account", "comp": "properties"}
            )
            try:
                said = await self._http.send(request, lambda reply: reply.headers.get("x-ms-is-hns-enabled", ""))
            except StorageError:
                continue
            if said:
                return said.lower() == "true"
        return None

    async def _fetch(self, params: dict[str, str], headers: dict[str, str] | None = None) -> RawPage:
        request = Request(
            "GET",
            "list objects",
            path=self._address.container_path,
            params=params,
            headers=headers or {},
            keep=page_bytes(int(params["maxresults"])),
        )
        return await self._http.send(request, lambda reply: decode_page(self._address, reply))


def decode_page(address: Address, reply: Reply) -> RawPage:
    """Read one page. Raises Unavailable when it is cut off, Invalid when it is no listing."""
    root = parse_xml(reply.body)
    if root is None:
        if b"<EnumerationResults" in reply.body[:512]:
            raise Unavailable(f"A listing of {address.label} at {address.endpoint} is cut off or not valid XML")
        raise _not_azure(address)
    if root.tag != "EnumerationResults":
        raise _not_azure(address)
    try:
        return _parse(root)
    except (ValueError, KeyError):
        raise _not_azure(address) from None


def _not_azure(address: Address) -> Invalid:
    return Invalid(f"The answer to listing {address.label} at {address.endpoint} is not Azure's: check the endpoint")


class _Entry(NamedTuple):
    name: str
    blob: ET.Element


def _parse(root: ET.Element) -> RawPage:
    entries = [_Entry(_read_name(each), each) for each in root.iterfind("Blobs/Blob")]
    prefixes = [_read_name(each) for each in root.iterfind("Blobs/BlobPrefix")]
    marker = root.findtext("NextMarker") or ""
    objects = [found for entry in entries if (found := _parse_blob(entry)) is not None]
    return RawPage(objects, prefixes, bool(marker), marker)


def _read_name(entry: ET.Element) -> str:
    """Read a name; one that XML cannot hold comes percent-encoded. Raises ValueError."""
    name = entry.find("Name")
    if name is None or not name.text:
        raise ValueError("no name")
    return unquote(name.text) if name.get("Encoded") == "true" else name.text


def _parse_blob(entry: _Entry) -> ObjectInfo | None:
    """Build an object; None for a directory."""
    properties = entry.blob.find("Properties")
    if properties is None:
        raise ValueError("no properties")
    fields = {child.tag: child.text or "" for child in properties}
    size = int(fields["Content-Length"])
    if size == 0 and _is_directory(entry.blob, fields):
        return None
    return build_info(entry.name, size, fields)


def _is_directory(blob: ET.Element, fields: dict[str, str]) -> bool:
    if fields.get("ResourceType") == "directory":
        return True
    metadata = blob.find("Metadata")
    return metadata is not None and any(
        child.tag.lower() == "hdi_isfolder" and child.text == "true" for child in metadata
    )
