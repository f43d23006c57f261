"""How much of a listing is taken in: no more than what was asked for can need, and nothing else, whatever a server sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from videovector_operator.core.sources import AzureSource, GcsSource, S3Source
from videovector_operator.errors import Invalid, Unavailable
from videovector_operator.storage import azure_address, gcs_address, gcs_list, s3_address, s3_list
from videovector_operator.storage.azure_list import Listing
from videovector_operator.storage.azure_order import AzureOrder
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.listing import Fetch, KeyOrder, RawPage, follow_pages
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Request

POLICY = EndpointPolicy()
S3 = s3_address.build_address(S3Source("media", "eu-central-1"), POLICY)
GCS = gcs_address.build_address(GcsSource("media", "project"), POLICY)
AZURE = azure_address.build_address(AzureSource("account", "media"), POLICY)


class Deaf:
    """Notes requests and answers none."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.place = S3.place

    async def send(self, request: Request, decode: object, **_: Any) -> object:
        self.requests.append(request)
        raise Unavailable("nobody answers")


@pytest.mark.parametrize(("entries", "most"), [(10, 2**20), (1000, 12 * 1000 * 1024)])
@pytest.mark.parametrize("provider", ["s3", "gcs", "azure"])
async def test_a_page_is_bounded_by_what_was_asked_for(provider: str, entries: int, most: int) -> None:
    deaf = Deaf()
    http = cast("Exchange", deaf)
    pages = {
        "s3": lambda: s3_list.list_pages(http, "", recursive=True, start_after="", page_size=entries),
        "gcs": lambda: gcs_list.list_pages(http, GCS, "", recursive=True, start_after="", page_size=entries),
        "azure": lambda: Listing(http, AZURE).list_pages("", recursive=True, start_after="", page_size=entries),
    }[provider]()
    with pytest.raises(Unavailable):
        await anext(pages)
    assert [request.keep for request in deaf.requests] == [most]


def test_answers_that_are_no_listing_are_short() -> None:
    assert Request("GET", "look up").keep == 2**20


def raw(keys: list[str], prefixes: list[str] | None = None) -> RawPage:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    return RawPage([ObjectInfo(key, 1, "e", when) for key in keys], prefixes or [], more=False, token="")


async def follow(page: RawPage, prefix: str, start_after: str = "", order: KeyOrder | None = None) -> list[str]:
    async def fetch(token: str, last: str) -> RawPage:
        return page

    pages = follow_pages(fetch, "bucket 'media'", start_after, prefix=prefix, order_hint="", order=order or KeyOrder())
    return [
        name for each in [each async for each in pages] for name in (*(o.key for o in each.objects), *each.prefixes)
    ]


STRANGERS: dict[str, RawPage] = {
    "before it": raw(["a", "in/a"]),
    "behind it": raw(["in/a", "in/b", "out/a"]),
    "nothing else": raw(["out/a"]),
    "of another case": raw(["IN/a"]),
    "the prefix of the prefix": raw(["in"]),
    "among the prefixes, before it": raw(["in/a"], ["a/", "in/b/"]),
    "among the prefixes, behind it": raw([], ["in/b/", "out/"]),
}


@pytest.mark.parametrize("case", STRANGERS)
async def test_a_server_that_does_not_keep_to_the_prefix_is_found_out(case: str) -> None:
    with pytest.raises(Invalid, match=r"does not keep to the prefix 'in/'.*bucket 'media'"):
        await follow(STRANGERS[case], "in/")


@pytest.mark.parametrize("prefix", ["in/", "in/\U0001f3ac", "in/ %41+", "", "in"])
async def test_what_begins_with_the_prefix_passes_in_every_order(prefix: str) -> None:
    keys = [f"{prefix}{name}" for name in ("a", "a-b", "a/1", "a0", "\ufb01", "\U0001f3ac")]
    for order in (KeyOrder(), AzureOrder(is_hierarchical=False), AzureOrder(is_hierarchical=True), AzureOrder()):
        ordered = sorted(keys, key=lambda key: sum(order.is_behind(key, other) for other in keys))
        assert await follow(raw(ordered, [f"{prefix}b/"]), prefix, order=order) == [*ordered, f"{prefix}b/"]


async def test_what_was_passed_over_is_not_looked_at() -> None:
    assert await follow(raw(["a", "in/a", "in/b"]), "in/", start_after="in/a") == ["in/b"]


async def test_an_endless_prefix_is_not_repeated() -> None:
    with pytest.raises(Invalid) as failed:
        await follow(raw(["b"]), "a\n" * 500)
    assert len(failed.value.message) < 300
    assert failed.value.message.isprintable()


@pytest.mark.parametrize("size", [-1, 2**63])
async def test_a_size_that_no_object_has_is_refused(size: int) -> None:
    page = raw(["a", "b"])
    page.objects[1] = replace(page.objects[1], size=size)
    with pytest.raises(
        Invalid, match=r"bucket 'media' gives object 'b' a size that no object has\. Check the endpoint"
    ):
        await follow(page, "")


async def test_the_largest_size_that_the_catalog_holds_passes() -> None:
    page = raw(["a"])
    page.objects[0] = replace(page.objects[0], size=2**63 - 1)
    assert await follow(page, "") == ["a"]


def pages_of(*pages: list[str], prefixes: Sequence[str] = (), is_again: bool = False) -> Fetch:
    """Pages that are asked for by tokens: their numbers. Each has the same prefixes; ``is_again`` is the last one's."""
    made = [raw(keys, [*prefixes]) for keys in pages]
    numbered = [page._replace(more=True, token=str(number)) for number, page in enumerate(made[:-1], 1)]
    numbered.append(made[-1]._replace(is_again=is_again))

    async def fetch(token: str, _: str) -> RawPage:
        return numbered[int(token or "0")]

    return fetch


async def keys_of(fetch: Fetch) -> list[str]:
    pages = follow_pages(fetch, "bucket 'media'", "", order_hint="")
    return [entry.key async for page in pages for entry in page.objects]


@pytest.mark.parametrize("second", [["B", "c"], ["B"], ["Z", "b"]])
async def test_a_name_out_of_its_place_behind_a_token_does_not_vanish(second: list[str]) -> None:
    with pytest.raises(Invalid, match="does not list bucket 'media' in key order"):
        await keys_of(pages_of(["A", "a"], second))


async def test_the_last_name_may_come_twice() -> None:
    assert await keys_of(pages_of(["a", "b"], ["b", "c"])) == ["a", "b", "c"]


async def test_a_prefix_may_come_twice() -> None:
    assert await keys_of(pages_of(["a"], ["c"], prefixes=["b/"])) == ["a", "c"]


async def test_a_page_that_begins_again_gives_what_is_new() -> None:
    assert await keys_of(pages_of(["a", "b"], ["a", "b", "c"], is_again=True)) == ["a", "b", "c"]
