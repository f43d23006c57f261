"""Where a container answers, which names blobs can have, and who may see tokens."""

from __future__ import annotations

import pytest

from videovector_operator.core.sources import AzureSource
from videovector_operator.errors import Invalid
from videovector_operator.storage.azure_address import (
    Address,
    build_address,
    refuse_bad_list_prefix,
    refuse_bad_name,
    refuse_lossy_name,
    refuse_showing_tokens,
)
from videovector_operator.storage.endpoint_policy import EndpointPolicy

STRICT, LOOSE = EndpointPolicy(), EndpointPolicy(allow_loopback=True)


def address_of(endpoint: str | None = None, policy: EndpointPolicy = LOOSE, container: str = "media") -> Address:
    return build_address(AzureSource("mediaaccount", container, endpoint), policy)


ENDPOINTS = {
    None: ("https://mediaaccount.blob.core.windows.net", "", True),
    "https://mediaaccount.blob.core.usgovcloudapi.net/": (
        "https://mediaaccount.blob.core.usgovcloudapi.net",
        "",
        True,
    ),
    "https://mediaaccount.z12.blob.storage.azure.net": (
        "https://mediaaccount.z12.blob.storage.azure.net",
        "",
        True,
    ),
    "http://mediaaccount.blob.core.windows.net": ("http://mediaaccount.blob.core.windows.net", "", False),
    "https://blob.core.windows.net.evil.example": ("https://blob.core.windows.net.evil.example", "", False),
    "https://evilblob.core.windows.net": ("https://evilblob.core.windows.net", "", False),
    "http://127.0.0.1:10000/mediaaccount": ("http://127.0.0.1:10000", "/mediaaccount", False),
    "https://blobs.example.com:8443/some base": ("", "", False),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_where_an_account_answers(endpoint: str | None) -> None:
    origin, base, is_azure = ENDPOINTS[endpoint]
    if not origin:
        with pytest.raises(Invalid):
            address_of(endpoint)
        return
    found = address_of(endpoint)
    assert (found.origin, found.base, found.is_azure) == (origin, base, is_azure)
    assert found.place.label == "container 'media'"


def test_a_wrong_account_is_told_by_its_host_name() -> None:
    assert "mediaaccount" in address_of().place.dns_hint


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:10000/x", "http://localhost:10000/x", "http://169.254.169.254/x"]
)
def test_forbidden_hosts(endpoint: str) -> None:
    with pytest.raises(Invalid):
        address_of(endpoint, STRICT)


PATHS = {
    "a b+c%41#d?e=f&g": "/media/a%20b%2Bc%2541%23d%3Fe%3Df%26g",
    "é/ü.mp4": "/media/%C3%A9/%C3%BC.mp4",
    "a//b": "/media/a//b",
    "/a/": "/media//a/",
    "..a/b..c": "/media/..a/b..c",
    "\x01\n": "/media/%01%0A",
}


@pytest.mark.parametrize("key", PATHS)
def test_names_on_the_wire(key: str) -> None:
    assert address_of().blob_path(key) == PATHS[key]


def test_other_containers_and_special_ones() -> None:
    assert address_of().blob_path("a", "other") == "/other/a"
    assert address_of(container="$web").container_path == "/$web"


REFUSED = ["", "..", ".", "a/../b", "a/./b", "../../other/x", "a/..", "./a", "win\\dows", "..\\x", "\ud800", "x" * 1025]


@pytest.mark.parametrize("key", REFUSED)
def test_names_that_azure_would_change_are_refused_everywhere(key: str) -> None:
    for check in (refuse_bad_name, refuse_lossy_name, address_of().blob_path):
        with pytest.raises(Invalid):
            check(key)


@pytest.mark.parametrize("key", ["a.", "a./b", "dir/b...", "bell\x07", "tab\t", "del\x7f", "c1\x85", "\uffff"])
def test_names_that_azure_does_not_store_are_not_written(key: str) -> None:
    refuse_bad_name(key)
    with pytest.raises(Invalid, match="stored"):
        refuse_lossy_name(key)


@pytest.mark.parametrize("key", ["x" * 1024, "é" * 1024, "\U0001f3ac" * 512, "a.b/c.d", "...a"])
def test_long_and_dotted_names_are_fine(key: str) -> None:
    refuse_lossy_name(key)


def test_names_are_counted_as_azure_counts() -> None:
    with pytest.raises(Invalid, match="1024"):
        refuse_bad_name("\U0001f3ac" * 513)


def test_prefixes_are_text() -> None:
    for prefix in ("", "a/../b", "..", "win\\", "x" * 1024):
        refuse_bad_list_prefix(prefix)
    for prefix in ("x" * 1025, "\udc00"):
        with pytest.raises(Invalid):
            refuse_bad_list_prefix(prefix)


TOKENS = {
    (None, True): True,
    (None, False): True,
    ("http://mediaaccount.blob.core.windows.net", True): False,
    ("http://mediaaccount.blob.core.windows.net", False): False,
    ("https://blobs.example.com", True): False,
    ("https://blobs.example.com", False): True,
    ("https://mediaaccount.blob.core.windows.net.example.com", True): False,
    ("https://127.0.0.1:10000/mediaaccount", True): True,
    ("http://127.0.0.1:10000/mediaaccount", True): False,
}


@pytest.mark.parametrize(("endpoint", "ambient"), TOKENS)
def test_who_may_see_tokens(endpoint: str | None, ambient: bool) -> None:
    address = address_of(endpoint)
    if TOKENS[endpoint, ambient]:
        refuse_showing_tokens(address, LOOSE, ambient=ambient)
        return
    with pytest.raises(Invalid, match=r"(not|is) shown to it"):
        refuse_showing_tokens(address, LOOSE, ambient=ambient)


def test_loopback_sees_tokens_only_where_it_is_allowed() -> None:
    with pytest.raises(Invalid):
        refuse_showing_tokens(address_of("https://127.0.0.1:10000/x"), STRICT, ambient=True)
