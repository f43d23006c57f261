"""How much of a listing is taken in: no more than what was asked for can need, whatever a server sends."""

from __future__ import annotations

from typing import Any, cast

import pytest

from videovector_operator.core.sources import AzureSource, GcsSource, S3Source
from videovector_operator.errors import Unavailable
from videovector_operator.storage import azure_address, gcs_address, gcs_list, s3_address, s3_list
from videovector_operator.storage.azure_list import Listing
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.exchange import Exchange
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
