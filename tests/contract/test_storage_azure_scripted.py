"""Azure, as a scripted server shows it: replies that are short, wrong, from somebody else, or do not say enough."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.contract.azure_script import CONTENT, FINGERPRINT, KEY, NOW, blob, digest_of, part, refusal, serving
from tests.support.local_storage import LOCAL
from tests.support.stub_server import Answer, answer
from videovector_operator.errors import AccessDenied, Changed, Invalid, InvalidCredentials, Unavailable
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.azure_sign import format_http_date
from videovector_operator.storage.port import AzureSource

pytestmark = pytest.mark.contract


async def test_a_pinned_read_takes_one_request() -> None:
    good = part(b"234", 2, 10, x_ms_blob_content_md5=digest_of(CONTENT))
    async with serving(good) as (storage, stub, _):
        assert await storage.read_range("a", 2, 3, fingerprint=FINGERPRINT) == b"234"
        assert [(seen.method, "if-match" in seen.headers) for seen in stub.seen] == [("GET", False)]


async def test_a_server_that_does_not_say_the_md5_is_pinned_by_the_etag() -> None:
    async with serving(part(b"234", 2, 10), blob(), part(b"234", 2, 10)) as (storage, stub, _):
        assert await storage.read_range("a", 2, 3, fingerprint=FINGERPRINT) == b"234"
        assert [seen.method for seen in stub.seen] == ["GET", "HEAD", "GET"]
        assert stub.seen[2].headers["if-match"] == '"0x1"'
    async with serving(part(b"234", 2, 10), blob(data=b"something else")) as (storage, _, _):
        with pytest.raises(Changed):
            await storage.read_range("a", 2, 3, fingerprint=FINGERPRINT)


async def test_a_short_or_a_wrong_part_is_noticed() -> None:
    short = part(b"23", 2, 10, x_ms_blob_content_md5=digest_of(CONTENT))
    async with serving(short) as (storage, stub, slept):
        with pytest.raises(Unavailable, match="too few"):
            await storage.read_range("a", 2, 3, fingerprint=FINGERPRINT)
        assert (len(stub.seen), len(slept.seconds)) == (3, 2)
    other = part(b"345", 3, 10, x_ms_blob_content_md5=digest_of(CONTENT))
    async with serving(other) as (storage, _, _):
        with pytest.raises(Invalid, match="other bytes"):
            await storage.read_range("a", 2, 3, fingerprint=FINGERPRINT)


async def test_a_web_page_is_no_answer() -> None:
    page = answer(200, b"<html>Please sign in</html>", {"Content-Type": "text/html"})
    async with serving(page) as (storage, _, slept):
        for number, fingerprint in enumerate((None, FINGERPRINT), 1):
            with pytest.raises(Unavailable, match=r"Azure.*check the endpoint"):
                await storage.read_range("a", 0, 1, fingerprint=fingerprint)
            assert len(slept.seconds) == 2 * number
        with pytest.raises(Invalid, match="Azure"):
            await storage.stat("a")


async def test_what_answers_for_azure_for_a_moment_costs_nothing() -> None:
    good = part(b"0", 0, 10, x_ms_blob_content_md5=digest_of(CONTENT))
    for other in (
        answer(200, b"<html>Please sign in</html>", {"Content-Type": "text/html"}),
        answer(404, b"404 page not found", {"Content-Type": "text/plain"}),
        answer(404),
    ):
        async with serving(other, good) as (storage, _, slept):
            assert await storage.read_range("a", 0, 1, fingerprint=FINGERPRINT) == b"0"
            assert len(slept.seconds) == 1
    lost = answer(404, b"default backend - 404", {"Content-Type": "text/plain"})
    async with serving(lost, answer(202)) as (storage, stub, _):
        await storage.delete("a")
        assert len(stub.seen) == 2
    async with serving(lost) as (storage, _, _):
        with pytest.raises(Unavailable, match="not Azure's blob service"):
            await storage.delete("a")


async def test_a_wrong_clock_is_learnt_from_the_server() -> None:
    right = format_http_date(NOW + timedelta(hours=2))
    skewed = answer(403, b"", {"x-ms-error-code": "AuthenticationFailed", "x-ms-request-id": "1", "Date": right})
    async with serving(skewed, blob()) as (storage, stub, _):
        assert (await storage.stat("a")).size == 10
    assert [seen.headers["x-ms-date"][17:25] for seen in stub.seen] == ["03:02:01", "05:02:01"]


async def test_a_clock_that_is_days_away_is_not_believed() -> None:
    far = refusal(403, "AuthenticationFailed", Date=format_http_date(NOW + timedelta(days=400)))
    async with serving(far) as (storage, stub, _):
        with pytest.raises(InvalidCredentials, match="clock and this machine's differ by more than a day"):
            await storage.read_range("a", 0, 1)
        await storage.presign("a", expires=timedelta(hours=1))
        assert {seen.headers["x-ms-date"] for seen in stub.seen} == {format_http_date(NOW)}


async def test_a_look_up_goes_on_with_what_the_question_why_has_cured() -> None:
    """A refused HEAD does not say why; the GET that asks learns the clock."""
    bare = answer(403, b"", {"x-ms-error-code": "AuthorizationFailure", "x-ms-request-id": "1"})
    skewed = refusal(403, "AuthenticationFailed", Date=format_http_date(NOW + timedelta(hours=2)))
    async with serving(bare, skewed, part(b"0", 0, 10), blob()) as (storage, stub, _):
        assert (await storage.stat("a")).size == 10
        assert [seen.method for seen in stub.seen] == ["HEAD", "GET", "GET", "HEAD"]
        assert stub.seen[3].headers["x-ms-date"] == format_http_date(NOW + timedelta(hours=2))
    async with serving(bare, part(b"0", 0, 10), bare) as (storage, stub, _):
        with pytest.raises(AccessDenied):
            await storage.stat("a")
        assert len(stub.seen) == 3


async def test_a_wrong_key_with_a_right_clock_is_asked_once() -> None:
    wrong = refusal(403, "AuthenticationFailed", Date=format_http_date(NOW))
    async with serving(wrong) as (storage, stub, _):
        with pytest.raises(InvalidCredentials):
            await storage.read_range("a", 0, 1)
        assert len(stub.seen) == 1


async def test_redirects_are_not_followed() -> None:
    async with serving(answer(302, headers={"Location": "http://127.0.0.1:1/"})) as (storage, stub, _):
        for call in (storage.stat("a"), storage.read_range("a", 0, 1), storage.test_access()):
            with pytest.raises(Invalid, match="blob service"):
                await call
        assert len(stub.seen) == 3


async def test_an_account_that_does_not_exist_has_no_host() -> None:
    class Nowhere:
        async def resolve(self, host: str) -> list[str]:
            import socket

            raise socket.gaierror(host)

    from dataclasses import replace

    options = replace(LOCAL, names=Nowhere(), attempts=1)
    storage = AzureStorage(AzureSource("nosuchaccount", "media", credentials=KEY), options)
    for call in (storage.test_access(), storage.read_range("a", 0, 1)):
        with pytest.raises(Unavailable, match=r"nosuchaccount\.blob\.core\.windows\.net.*Check storageAccount"):
            await call
    await storage.close()


async def test_a_forgotten_marker_begins_again_at_the_last_name() -> None:
    def page(*names: str, marker: str = "") -> Answer:
        entries = "".join(
            f"<Blob><Name>{name}</Name><Properties><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified><Etag>0x1</Etag>"
            "<Content-Length>1</Content-Length></Properties></Blob>"
            for name in names
        )
        body = f'<?xml version="1.0"?><EnumerationResults><Blobs>{entries}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>'
        return answer(200, body.encode(), {"x-ms-request-id": "1"})

    script = (page("a", "b", marker="m1"), refusal(400, "OutOfRangeInput"), page("b", "c"))
    async with serving(*script) as (storage, stub, _):
        found = [entry.key async for each in storage.list_pages() for entry in each.objects]
    assert found == ["a", "b", "c"]
    assert "marker=m1" in stub.seen[1].target
    assert "startFrom=b" in stub.seen[2].target
    assert [seen.headers["x-ms-version"] for seen in stub.seen] == ["2021-12-02", "2021-12-02", "2026-02-06"]
