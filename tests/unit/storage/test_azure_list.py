"""What pages of List Blobs say, and how a listing finds its place again on servers of every kind."""

from __future__ import annotations

import base64
from typing import Any, cast
from xml.sax.saxutils import escape

import pytest

from videovector_operator.core.sources import AzureSource
from videovector_operator.errors import AccessDenied, Invalid, Unavailable
from videovector_operator.storage.azure_address import build_address
from videovector_operator.storage.azure_list import Listing, decode_page
from videovector_operator.storage.azure_order import AzureOrder
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.request import Reply, Request

ADDRESS = build_address(AzureSource("acct", "media"), EndpointPolicy())
MD5 = base64.b64encode(bytes(16)).decode()


def blob(name: str, *, size: int = 1, more: str = "", metadata: str = "", encoded: str = "") -> str:
    attribute = ' Encoded="true"' if encoded else ""
    return (
        f"<Blob><Name{attribute}>{encoded or escape(name)}</Name><Properties>"
        "<Creation-Time>Fri, 02 Jan 2026 03:04:05 GMT</Creation-Time>"
        f"<Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified><Etag>0x8D1</Etag>"
        f"<Content-Length>{size}</Content-Length><Content-Type>video/mp4</Content-Type>{more}"
        f"<BlobType>BlockBlob</BlobType></Properties>{metadata}</Blob>"
    )


def page(*entries: str, marker: str = "") -> bytes:
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://acct/" ContainerName="media">'
        f"<Prefix>x</Prefix><Blobs>{''.join(entries)}</Blobs><NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
    ).encode()


def test_a_page() -> None:
    found = decode_page(
        ADDRESS,
        Reply(
            200,
            {},
            page(
                blob("a", more=f"<Content-MD5>{MD5}</Content-MD5><AccessTier>Hot</AccessTier>"),
                "<BlobPrefix><Name>b/</Name></BlobPrefix>",
                blob("c", size=7, more="<Content-MD5/><AccessTier>Archive</AccessTier>"),
                marker="2!88!next",
            ),
        ),
    )
    first, second = found.objects
    assert (first.key, first.fingerprint, first.checksum) == ("a", f"md5-{'0' * 32}-1", f"md5:{MD5}")
    assert (first.content_type, first.storage_class) == ("video/mp4", "")
    assert (second.size, second.fingerprint, second.storage_class, second.checksum) == (7, "0x8D1", "Archive", "")
    assert (found.prefixes, found.more, found.token) == (["b/"], True, "2!88!next")


NAMES = ["a&<b>\"'c", " two  spaces ", "caf\u00e9", "\U0001f3ac", 'x xmlns="y".mp4', "100%41", "]]>"]


@pytest.mark.parametrize("name", NAMES)
def test_names_come_as_they_are(name: str) -> None:
    assert [entry.key for entry in decode_page(ADDRESS, Reply(200, {}, page(blob(name)))).objects] == [name]


def test_names_that_xml_cannot_hold_come_encoded() -> None:
    found = decode_page(
        ADDRESS,
        Reply(
            200,
            {},
            page(
                blob("", encoded="a%EF%BF%BFb%2541"),
                '<BlobPrefix><Name Encoded="true">d%EF%BF%BF/</Name></BlobPrefix>',
            ),
        ),
    )
    assert [entry.key for entry in found.objects] == ["a\uffffb%41"]
    assert found.prefixes == ["d\uffff/"]


DIRECTORIES = {
    "by metadata": blob("dir", size=0, metadata="<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>"),
    "by metadata of another case": blob(
        "dir", size=0, metadata="<Metadata><Hdi_isfolder>true</Hdi_isfolder></Metadata>"
    ),
    "by type": blob("dir", size=0, more="<ResourceType>directory</ResourceType>"),
}


@pytest.mark.parametrize("case", DIRECTORIES)
def test_directories_are_no_objects(case: str) -> None:
    found = decode_page(ADDRESS, Reply(200, {}, page(DIRECTORIES[case], blob("dir/a"))))
    assert [entry.key for entry in found.objects] == ["dir/a"]


def test_an_empty_blob_is_an_object() -> None:
    entries = (blob("a", size=0), blob("b", size=0, metadata="<Metadata><k>v</k></Metadata>"))
    assert len(decode_page(ADDRESS, Reply(200, {}, page(*entries))).objects) == 2


BROKEN: dict[str, tuple[bytes, type[Exception]]] = {
    "a web page": (b"<html><body>hello</body></html>", Invalid),
    "nothing": (b"", Invalid),
    "JSON": (b"{}", Invalid),
    "another document": (b"<?xml version='1.0'?><ListBucketResult/>", Invalid),
    "an entity bomb": (
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><EnumerationResults>&b;</EnumerationResults>",
        Unavailable,
    ),
    "half a document": (page(blob("a"))[:-40], Unavailable),
    "no name": (page("<Blob><Properties/></Blob>"), Invalid),
    "no properties": (page("<Blob><Name>a</Name></Blob>"), Invalid),
    "a size that is no number": (page(blob("a").replace("<Content-Length>1<", "<Content-Length>x<")), Invalid),
    "no time": (page(blob("a").replace("Last-Modified", "Last")), Invalid),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_page(case: str) -> None:
    body, kind = BROKEN[case]
    with pytest.raises(kind, match="container 'media'"):
        decode_page(ADDRESS, Reply(200, {}, body))


class Server:
    """Lists names in either of Azure's orders. ``start_from``: ignored, obeyed, unknown (refused), or answered with nothing."""

    def __init__(
        self,
        names: list[str],
        *,
        hierarchical: bool,
        start_from: str = "obeyed",
        tells: str = "container",
        size: int = 3,
    ) -> None:
        order = AzureOrder(is_hierarchical=hierarchical)
        self.names = sorted(names, key=lambda name: sum(order.is_behind(name, other) for other in names))
        self.order = order
        self.start_from = start_from
        self.tells = tells
        self.size = size
        self.pages = 0
        self.questions = 0
        self.asked: list[tuple[str, str]] = []

    async def send(self, request: Request, decode: Any) -> Any:
        if request.params["restype"] == "account":
            self.questions += 1
            if self.tells == "nobody":
                raise AccessDenied("no", "AuthorizationFailure")
            said = {"x-ms-is-hns-enabled": str(self.order.is_hierarchical).lower()}
            return decode(Reply(200, said if self.tells == "container" or request.path == "/" else {}))
        self.pages += 1
        self.asked.append((request.params.get("marker", ""), request.params["maxresults"]))
        names = self.names
        if "startFrom" in request.params:
            assert request.headers["x-ms-version"] == "2026-02-06"
            if self.start_from == "unknown":
                raise Invalid("no", "InvalidHeaderValue")
            begin = request.params["startFrom"]
            names = [name for name in names if name == begin or self.order.is_behind(name, begin)]
            names = {"obeyed": names, "ignored": self.names, "lost": []}[self.start_from]
        if "marker" in request.params:
            names = self.names[int(request.params["marker"]) :]
        begin_at = self.names.index(names[0]) if names else 0
        following = begin_at + self.size
        marker = str(following) if names and following < len(self.names) else ""
        return decode(Reply(200, {}, page(*(blob(name) for name in names[: self.size]), marker=marker)))


MIXED = ["a", "a-b", "a-b/1", "a.x", "a/1", "a/2", "a0", "b", "b!", "b/c/1", "\ufb01", "\U0001f3ac"]


async def names_behind(listing: Listing, last: str) -> list[str]:
    pages = listing.list_pages("", recursive=True, start_after=last, page_size=5)
    return [entry.key async for each in pages for entry in each.objects]


@pytest.mark.parametrize("hierarchical", [False, True], ids=["flat", "hierarchical"])
@pytest.mark.parametrize("start_from", ["obeyed", "ignored", "unknown", "lost"])
@pytest.mark.parametrize("tells", ["container", "account"])
async def test_a_listing_goes_on_behind_any_name(hierarchical: bool, start_from: str, tells: str) -> None:
    server = Server(MIXED, hierarchical=hierarchical, start_from=start_from, tells=tells)
    whole = [entry async for entry in _all(server)]
    assert whole == server.names
    for index, last in enumerate(server.names):
        fresh = Listing(cast("Exchange", server), ADDRESS)
        assert await names_behind(fresh, last) == server.names[index + 1 :]


async def _all(server: Server) -> Any:
    listing = Listing(cast("Exchange", server), ADDRESS)
    async for each in listing.list_pages("", recursive=True, start_after="", page_size=5):
        assert each.last_key == each.objects[-1].key
        for entry in each.objects:
            yield entry.key


@pytest.mark.parametrize("hierarchical", [False, True], ids=["flat", "hierarchical"])
@pytest.mark.parametrize("start_from", ["obeyed", "ignored", "unknown", "lost"])
async def test_a_name_that_was_deleted_meanwhile_loses_nothing(hierarchical: bool, start_from: str) -> None:
    before = Server(MIXED, hierarchical=hierarchical)
    for index, last in enumerate(before.names):
        server = Server([name for name in MIXED if name != last], hierarchical=hierarchical, start_from=start_from)
        found = await names_behind(Listing(cast("Exchange", server), ADDRESS), last)
        assert found == before.names[index + 1 :]


@pytest.mark.parametrize("hierarchical", [False, True], ids=["flat", "hierarchical"])
async def test_who_is_told_nothing_gets_some_twice_and_all(hierarchical: bool) -> None:
    server = Server(MIXED, hierarchical=hierarchical, start_from="ignored", tells="nobody")
    for index, last in enumerate(server.names):
        found = await names_behind(Listing(cast("Exchange", server), ADDRESS), last)
        assert set(server.names[index + 1 :]) <= set(found)
        assert len(found) == len(set(found))


async def test_starting_at_a_name_costs_nothing_extra() -> None:
    many = [f"{number:04}" for number in range(100)]
    server = Server(many, hierarchical=False, size=10)
    assert await names_behind(Listing(cast("Exchange", server), ADDRESS), "0089") == many[90:]
    assert (server.pages, server.questions) == (2, 0)


async def test_a_server_that_cannot_start_at_a_name_is_asked_once() -> None:
    many = [f"{number:04}" for number in range(30)]
    server = Server(many, hierarchical=False, start_from="unknown", size=10)
    listing = Listing(cast("Exchange", server), ADDRESS)
    for _ in range(3):
        assert await names_behind(listing, "0014") == many[15:]
    assert (server.pages, server.questions) == (1 + 3 * 3, 1)


async def test_what_is_passed_over_comes_in_the_largest_pages() -> None:
    many = [f"{number:04}" for number in range(40)]
    server = Server(many, hierarchical=False, start_from="unknown", size=10)
    assert await names_behind(Listing(cast("Exchange", server), ADDRESS), "0014") == many[15:]
    begun, *following = server.asked
    assert begun == ("", "5"), "the question whether it can start at a name"
    assert following == [("", "5000"), ("10", "5000"), ("20", "5"), ("30", "5")]


class Repeating(Server):
    """Always says that there is more behind the same marker."""

    async def send(self, request: Request, decode: Any) -> Any:
        if request.params["restype"] == "account":
            return decode(Reply(200, {"x-ms-is-hns-enabled": "false"}))
        self.pages += 1
        assert self.pages < 10
        return decode(Reply(200, {}, page(blob("a"), marker="same")))


@pytest.mark.parametrize("last", ["", "b"])
async def test_a_server_that_repeats_itself_is_noticed(last: str) -> None:
    server = Repeating(["a"], hierarchical=False)
    with pytest.raises(Invalid, match="does not advance"):
        await names_behind(Listing(cast("Exchange", server), ADDRESS), last)


async def test_a_forgotten_marker_is_replaced_by_the_last_name() -> None:
    class Forgetful(Server):
        async def send(self, request: Request, decode: Any) -> Any:
            if "marker" in request.params and self.pages == 1:
                self.pages += 1
                raise Invalid("no", "OutOfRangeInput")
            return await super().send(request, decode)

    server = Forgetful(MIXED, hierarchical=True)
    assert [entry async for entry in _all(server)] == server.names


async def test_names_out_of_any_order_are_noticed() -> None:
    server = Server(MIXED, hierarchical=False)
    server.names = ["b", "a"]
    with pytest.raises(Invalid, match="in key order"):
        await names_behind(Listing(cast("Exchange", server), ADDRESS), "")
