"""Where a Cloud Storage bucket is asked, how its objects are named on the wire, and who is shown the environment's tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.errors import Invalid
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.gcs_address import (
    build_address,
    object_path,
    objects_path,
    refuse_showing_tokens,
    upload_path,
)
from videovector_operator.storage.port import GcsSource

LOCAL = EndpointPolicy(allow_loopback=True)
STRICT = EndpointPolicy()

PLACES = {
    "Google": (None, "https://storage.googleapis.com", ""),
    "Private Service Connect": ("https://storage-xyz.p.googleapis.com/", "https://storage-xyz.p.googleapis.com", ""),
    "a server of one's own": ("http://10.0.0.8:4443", "http://10.0.0.8:4443", ""),
    "the scheme's own port": ("https://gcs.example.com:443", "https://gcs.example.com", ""),
    "the API's root, as other clients want it": ("http://10.0.0.8/storage/v1/", "http://10.0.0.8", ""),
    "behind a path": ("https://example.com/gate/storage/v1", "https://example.com", "/gate"),
    "IPv6": ("http://[fd12::1]:80", "http://[fd12::1]", ""),
}


@pytest.mark.parametrize("case", PLACES)
def test_where_a_bucket_is(case: str) -> None:
    endpoint, origin, base = PLACES[case]
    address = build_address(GcsSource("media", "p", endpoint), STRICT)
    assert (address.origin, address.base, address.host) == (origin, base, origin.split("://")[1])
    assert address.place.label == "bucket 'media'"


@pytest.mark.parametrize(
    "endpoint", ["", "ftp://x", "https://user:hunter2@x", "https://x?a=b", "https://x/a/../b", "x"]
)
def test_what_is_no_endpoint(endpoint: str) -> None:
    if not endpoint:
        assert build_address(GcsSource("media", "p", ""), STRICT).is_google
        return
    with pytest.raises(Invalid, match="endpoint") as refused:
        build_address(GcsSource("media", "p", endpoint), STRICT)
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize(
    "endpoint", ["http://169.254.169.254", "http://127.0.0.1:1", "http://metadata.google.internal"]
)
def test_forbidden_endpoints_are_refused(endpoint: str) -> None:
    with pytest.raises(Invalid, match="must not be used"):
        build_address(GcsSource("media", "p", endpoint), STRICT)


SHOWN = {
    "Google": (None, STRICT, True),
    "a regional name of Google's": ("https://storage.me-central2.rep.googleapis.com", STRICT, True),
    "a private name of Google's": ("https://storage-xyz.p.googleapis.com", STRICT, True),
    "Google's without TLS": ("http://storage.googleapis.com", STRICT, False),
    "another server": ("https://storage.example.com", STRICT, False),
    "a name that ends like Google's": ("https://evilgoogleapis.com", STRICT, False),
    "a name that begins like Google's": ("https://storage.googleapis.com.example.com", STRICT, False),
    "a private address": ("https://10.0.0.8", LOCAL, False),
    "loopback, allowed": ("http://127.0.0.1:9", LOCAL, True),
    "localhost, allowed": ("http://localhost:9", LOCAL, True),
    "a name that is like loopback": ("http://127.0.0.1.example.com", LOCAL, False),
}


@pytest.mark.parametrize("case", SHOWN)
def test_who_is_shown_the_environments_tokens(case: str) -> None:
    endpoint, policy, expected = SHOWN[case]
    address = build_address(GcsSource("media", "p", endpoint), policy)
    if expected:
        refuse_showing_tokens(address, policy)
        return
    with pytest.raises(Invalid, match=r"credentials\.json"):
        refuse_showing_tokens(address, policy)


def test_paths_of_the_api() -> None:
    assert objects_path("media") == "/storage/v1/b/media/o"
    assert upload_path("media") == "/upload/storage/v1/b/media/o"
    assert object_path("media", "a/b c+%2F?#é\x01.mp4") == (
        "/storage/v1/b/media/o/a%2Fb%20c%2B%252F%3F%23%C3%A9%01.mp4"
    )
    assert object_path("media", "../../b/other/o/x") == "/storage/v1/b/media/o/..%2F..%2Fb%2Fother%2Fo%2Fx"
    assert objects_path("../x") == "/storage/v1/b/..%2Fx/o"


@given(key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
def test_a_key_is_one_step_of_the_path(key: str) -> None:
    try:
        path = object_path("media", key)
    except Invalid:
        assert key in (".", "..") or {"\r", "\n"} & set(key)
        return
    step = path.removeprefix("/storage/v1/b/media/o/")
    assert step.isascii()
    assert step.isprintable()
    assert not set("/?#& ") & set(step)
    assert step not in ("", ".", "..")


@pytest.mark.parametrize("key", ["", ".", "..", "a\nb", "a\r", "x" * 1025, "é" * 513, "\ud800"])
def test_names_that_no_object_can_have(key: str) -> None:
    with pytest.raises(Invalid):
        object_path("media", key)
