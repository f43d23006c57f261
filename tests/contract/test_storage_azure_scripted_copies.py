"""Azure's copies, as a scripted server shows them: they take their time, fail, are given up, and meet other writers."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.azure_script import SAS, blob, copying, lines, refusal, serving
from tests.support.stub_server import answer
from videovector_operator.errors import Changed, Unavailable

pytestmark = pytest.mark.contract


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


async def test_a_pending_copy_is_not_lost_to_an_ingress_without_a_route() -> None:
    lost = answer(404, b"", {"Content-Type": "text/plain"})
    script = (blob(), copying("pending", code=202), lost, copying("success"), blob())
    async with serving(*script) as (storage, _, _):
        assert (await storage.copy("a", "c")).size == 10
