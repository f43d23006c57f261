"""Azure, as a scripted server shows it: copies that take their time, replies that do not say enough, what stands on the wire."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import md5

import pytest

from tests.contract.storage_suite import MIB, blocks, stream
from tests.support.local_storage import LOCAL
from tests.support.sleeping import Slept
from tests.support.stub_server import Answer, StubServer, answer
from videovector_operator.core.sources import AzureAccountKey, AzureSasToken
from videovector_operator.errors import AccessDenied, Changed, Invalid, InvalidCredentials, Unavailable
from videovector_operator.storage.ambient import Ambient
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.azure_credentials import Credentials, TokenCredentials
from videovector_operator.storage.azure_sign import DelegationKey, format_http_date
from videovector_operator.storage.exchange import Limits
from videovector_operator.storage.port import AzureSource
from videovector_operator.storage.surroundings import Surroundings

pytestmark = pytest.mark.contract

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
QUICK = Limits(connect=2.0, silence=1.0, total=10.0, attempts=3)
KEY = AzureAccountKey("c2VjcmV0IGtleSB3aXRoIHNvbWUgYnl0ZXM=")
SAS = AzureSasToken("sv=2021-12-02&sr=c&sp=racwdl&se=2027-01-01T00%3A00%3A00Z&sig=s%2Becret%3D")


@asynccontextmanager
async def serving(
    *script: Answer, credentials: AzureAccountKey | AzureSasToken = KEY, own: Credentials | None = None
) -> AsyncIterator[tuple[AzureStorage, StubServer, Slept]]:
    slept = Slept()
    async with StubServer(script) as stub:
        storage = AzureStorage(
            AzureSource("acct", "media", f"{stub.endpoint}/acct", credentials=credentials),
            LOCAL,
            Surroundings(QUICK, clock=lambda: NOW, jitter=lambda: 0.0, sleep=slept, make_mark=lambda: "mark"),
            credentials=own,
        )
        yield storage, stub, slept
        await storage.close()


def digest_of(data: bytes) -> str:
    return base64.b64encode(md5(data, usedforsecurity=False).digest()).decode()


def blob(status: int = 200, *, etag: str = '"0x1"', data: bytes = b"0123456789", **more: str) -> Answer:
    headers = {
        "ETag": etag,
        "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-request-id": "1",
        "Content-MD5": digest_of(data),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return answer(status, b"", headers, length=len(data) if status == 200 else 0)


def copying(status: str, *, copy: str = "c1", code: int = 200, etag: str = '"0x2"') -> Answer:
    return blob(code, etag=etag, x_ms_copy_status=status, x_ms_copy_id=copy)


def refusal(status: int, code: str, **headers: str) -> Answer:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(status, body, {"x-ms-error-code": code, "x-ms-request-id": "1", **fields})


def lines(stub: StubServer) -> list[str]:
    return [f"{seen.method} {seen.target}" for seen in stub.seen]


async def test_a_copy_that_takes_its_time_is_waited_for() -> None:
    script = (
        blob(x_ms_meta_camera="7"),
        copying("pending", code=202),
        copying("pending"),
        copying("pending"),
        copying("success"),
        blob(etag='"0x3"'),
    )
    async with serving(*script) as (storage, stub, slept):
        copied = await storage.copy("a b", "c", if_absent=True)
        source = f"{stub.endpoint}/acct/media/a%20b"
    assert (copied.key, copied.size) == ("c", 10)
    assert slept.seconds == [0.25, 0.5, 1.0]
    start = stub.seen[1]
    assert (start.method, start.target) == ("PUT", "/acct/media/c")
    assert start.headers["x-ms-copy-source"] == source
    assert start.headers["x-ms-source-if-match"] == '"0x1"'
    assert start.headers["if-none-match"] == "*"
    assert start.headers["x-ms-meta-camera"] == "7"
    assert start.headers["x-ms-meta-videovector_write"] == "mark"


@pytest.mark.parametrize("value", ["two  spaces", "caf\u00e9", "tab\tbed"])
async def test_metadata_that_might_be_changed_is_left_to_azure(value: str) -> None:
    async with serving(blob(x_ms_meta_camera=value), copying("success", code=202), blob()) as (storage, stub, _):
        await storage.copy("a", "c", if_absent=True)
        assert not any(name.startswith("x-ms-meta-") for name in stub.seen[1].headers)


async def test_a_sas_reads_the_source_too() -> None:
    async with serving(blob(), copying("success", code=202), blob(), credentials=SAS) as (storage, stub, _):
        await storage.copy("a", "c", from_bucket="other")
        assert stub.seen[1].headers["x-ms-copy-source"] == f"{stub.endpoint}/acct/other/a?{SAS.sas_token}"
    assert stub.seen[1].target == f"/acct/media/c?{SAS.sas_token}"


ABORT = "PUT /acct/media/c?comp=copy&copyid=c1"
DELETE = "DELETE /acct/media/c"


async def test_a_cancelled_copy_is_ended_and_leaves_nothing() -> None:
    aborted = (answer(204, b"", {"x-ms-request-id": "1"}), copying("aborted", etag='"0x9"'), answer(202))
    async with serving(blob(), copying("pending", code=202), *aborted) as (storage, stub, slept):
        asleep = asyncio.Event()

        async def stay() -> None:
            asleep.set()
            await asyncio.Event().wait()

        slept.then = stay
        running = asyncio.create_task(storage.copy("a", "c"))
        await asyncio.wait_for(asleep.wait(), 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert lines(stub)[2:] == [ABORT, "HEAD /acct/media/c", DELETE]
        assert stub.seen[2].headers["x-ms-copy-action"] == "abort"
        assert stub.seen[4].headers["if-match"] == '"0x9"'


async def test_a_copy_that_azure_gives_up_leaves_nothing() -> None:
    ended = (refusal(409, "NoPendingCopyOperation"), copying("failed"), answer(202))
    async with serving(blob(), copying("pending", code=202), copying("failed"), *ended) as (storage, stub, _):
        with pytest.raises(Unavailable, match="ended as failed"):
            await storage.copy("a", "c")
        assert lines(stub)[3:] == [ABORT, "HEAD /acct/media/c", DELETE]


ECHOES = ("s%2Becret%3D", "s+ecret=", "s%252Becret%253D", SAS.sas_token)


@pytest.mark.parametrize("echo", ECHOES)
async def test_what_azure_says_of_a_failed_copy_repeats_no_secret(echo: str) -> None:
    ended = blob(
        x_ms_copy_status=f"failed\t{echo}", x_ms_copy_id="c1", x_ms_copy_status_description=f"404 {echo} \t no"
    )
    begun = copying("pending", code=202)
    async with serving(blob(), begun, ended, refusal(409, "NoPendingCopyOperation"), ended, credentials=SAS) as (
        storage,
        *_,
    ):
        with pytest.raises(Unavailable, match=r"ended as failed \*\*\*: 404 \*\*\* no") as failed:
            await storage.copy("a", "c")
    assert "ecret" not in failed.value.message
    assert failed.value.message.isprintable()


async def test_a_target_that_somebody_else_wrote_is_left_alone() -> None:
    theirs = copying("success", copy="other")
    script = (blob(), copying("pending", code=202), theirs, refusal(409, "CopyIdMismatch"), theirs)
    async with serving(*script) as (storage, stub, _):
        with pytest.raises(Changed, match="overtaken"):
            await storage.copy("a", "c")
        assert lines(stub)[3:] == [ABORT, "HEAD /acct/media/c"]


async def test_a_target_that_was_deleted_meanwhile() -> None:
    gone = answer(404, b"", {"x-ms-error-code": "BlobNotFound", "x-ms-request-id": "1"})
    script = (blob(), copying("pending", code=202), gone, refusal(404, "BlobNotFound"), gone)
    async with serving(*script) as (storage, stub, _):
        with pytest.raises(Changed, match="deleted"):
            await storage.copy("a", "c")
        assert lines(stub)[-1] == "HEAD /acct/media/c"


async def test_a_copy_is_not_waited_for_for_ever() -> None:
    async with serving(blob(), copying("pending", code=202), copying("pending")) as (storage, stub, slept):
        with pytest.raises(Unavailable, match="60 minutes"):
            await storage.copy("a", "c")
        assert 3600 <= sum(slept.seconds) < 3700
        assert max(slept.seconds) == 10
        assert ABORT in lines(stub)


def part(data: bytes, start: int, size: int, **headers: str) -> Answer:
    fields = {"Content-Range": f"bytes {start}-{start + len(data) - 1}/{size}", "ETag": '"0x1"'}
    return answer(206, data, {**fields, **{name.replace("_", "-"): value for name, value in headers.items()}})


CONTENT = b"0123456789"
FINGERPRINT = f"md5-{md5(CONTENT, usedforsecurity=False).hexdigest()}-10"


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


async def test_a_pending_copy_is_not_lost_to_an_ingress_without_a_route() -> None:
    lost = answer(404, b"", {"Content-Type": "text/plain"})
    script = (blob(), copying("pending", code=202), lost, copying("success"), blob())
    async with serving(*script) as (storage, _, _):
        assert (await storage.copy("a", "c")).size == 10


WIRE = {
    "a//b": "/acct/media/a//b",
    "a b+c%41#d?e=f&g": "/acct/media/a%20b%2Bc%2541%23d%3Fe%3Df%26g",
    "é\n\x01": "/acct/media/%C3%A9%0A%01",
    "/a/": "/acct/media//a/",
}


async def test_names_stand_on_the_wire_as_they_are() -> None:
    async with serving(part(b"0", 0, 1)) as (storage, stub, _):
        for key in WIRE:
            assert await storage.read_range(key, 0, 1) == b"0"
    assert [seen.target for seen in stub.seen] == list(WIRE.values())


async def test_names_that_cannot_be_are_refused_before_any_request() -> None:
    async with serving(answer(500)) as (storage, stub, _):
        for key in ("", "x" * 1025, "\ud800", "a/../b", "a\\b"):
            calls: tuple[Awaitable[object], ...] = (
                storage.stat(key),
                storage.read_range(key, 0, 1),
                storage.write(key, stream(b"x")),
                storage.copy(key, "c"),
                storage.copy("c", key),
                storage.delete(key),
                storage.presign(key, expires=timedelta(hours=1)),
            )
            for call in calls:
                with pytest.raises(Invalid):
                    await call
        assert [seen.method for seen in stub.seen if seen.method != "HEAD"] == []


async def test_requests_are_plain_and_signed_with_what_they_carry() -> None:
    async with serving(blob(201)) as (storage, stub, _):
        await storage.write("a", stream(b"0123"), content_type="video/mp4", if_absent=True)
    [seen] = stub.seen
    assert seen.headers["x-ms-blob-type"] == "BlockBlob"
    assert seen.headers["content-md5"] == digest_of(b"0123")
    assert seen.headers["content-type"] == "video/mp4"
    assert seen.headers["if-none-match"] == "*"
    assert seen.headers["x-ms-meta-videovector_write"] == "mark"
    assert seen.headers["x-ms-version"] == "2021-12-02"
    assert seen.headers["authorization"].startswith("SharedKey acct:")
    assert seen.headers["accept-encoding"] == "identity"


async def test_blocks_are_of_this_write_alone_and_their_list_is_in_order() -> None:
    async with serving(blob(201)) as (storage, stub, _):
        written = await storage.write("a", blocks(40 * MIB))
    ids = [base64.b64encode(f"mark-0000{number}".encode()).decode() for number in (1, 2, 3)]
    targets = {seen.target for seen in stub.seen[:3]}
    assert targets == {f"/acct/media/a?comp=block&blockid={each.replace('=', '%3D')}" for each in ids}
    assert stub.seen[3].target == "/acct/media/a?comp=blocklist"
    assert f"md5:{stub.seen[3].headers['x-ms-blob-content-md5']}" == written.checksum
    assert (written.size, written.fingerprint.endswith(f"-{40 * MIB}")) == (40 * MIB, True)


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


LENT = (
    b"<?xml version='1.0'?><UserDelegationKey><SignedOid>oid</SignedOid><SignedTid>tid</SignedTid><SignedStart>s</SignedStart>"
    b"<SignedExpiry>e</SignedExpiry><SignedService>b</SignedService><SignedVersion>v</SignedVersion><Value>bGVudA==</Value>"
    b"</UserDelegationKey>"
)


def as_identity() -> TokenCredentials:
    return TokenCredentials(Ambient(lambda: "the.token", time.monotonic, name="azure-test"))


async def test_one_lent_key_serves_many_urls() -> None:
    async with serving(answer(200, LENT), own=as_identity()) as (storage, stub, _):
        urls = [await storage.presign(key, expires=timedelta(days=6)) for key in ("a", "b", "c")]
        assert lines(stub) == ["POST /acct/?restype=service&comp=userdelegationkey"]
        assert stub.seen[0].headers["authorization"] == "Bearer the.token"
        assert all("bGVudA" not in url and "skoid=oid" in url for url in urls)
        # No URL outlives the key that it was made with.
        assert "se=2026-05-11T02%3A57%3A01Z" in await storage.presign("d", expires=timedelta(days=7))
        assert len(stub.seen) == 1
    assert "bGVudA" not in repr(DelegationKey("o", "t", "s", "e", "b", "v", "bGVudA=="))


async def test_an_identity_that_is_lent_no_key_is_told_which_role_it_needs() -> None:
    async with serving(refusal(403, "AuthorizationPermissionMismatch"), own=as_identity()) as (storage, _, _):
        with pytest.raises(AccessDenied, match="Storage Blob Delegator") as refused:
            await storage.presign("a", expires=timedelta(hours=1))
        assert refused.value.code == "AuthorizationPermissionMismatch"
    async with serving(answer(200, b"<html/>"), own=as_identity()) as (storage, _, _):
        with pytest.raises(Invalid, match="delegation key"):
            await storage.presign("a", expires=timedelta(hours=1))
