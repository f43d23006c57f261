"""How requests are tried again, and that nothing but our own errors leaves: with a provider's side of a few lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.support.local_storage import LOCAL
from tests.support.sleeping import Slept
from tests.support.stub_server import Answer, StubServer, answer
from videovector_operator.errors import Invalid, InvalidCredentials, NotFound, StorageError, Unavailable
from videovector_operator.storage.exchange import Exchange, Limits, Signed
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.transport import Place

SECRET = "the-secret-word"
READ = Request("GET", "read object 'a'", path="/a")


class Plain:
    """Signs nothing; takes 401 for expired, 404 for absent, everything else for a failure, or lets ``odd`` read it."""

    def __init__(self, odd: Callable[[Reply], StorageError] | None = None) -> None:
        self.odd = odd
        self.renewed = 0

    async def authorize(self, request: Request) -> Signed:
        return Signed(request.path, {})

    def build_error(self, request: Request, reply: Reply) -> StorageError:
        if self.odd is not None:
            return self.odd(reply)
        return {401: InvalidCredentials("expired"), 404: NotFound("absent")}.get(reply.status, Unavailable("failed"))

    def secrets(self) -> tuple[str | None, ...]:
        return (SECRET, None)

    def can_renew(self, error: InvalidCredentials) -> bool:
        self.renewed += 1
        return True

    def close(self) -> None:
        pass


@asynccontextmanager
async def exchanging(
    *script: Answer, dialect: Plain | None = None
) -> AsyncIterator[tuple[Exchange, StubServer, Plain, Slept]]:
    slept, plain = Slept(), dialect or Plain()
    async with StubServer(script) as stub:
        place = Place("bucket 'media'", stub.endpoint, stub.endpoint, "127.0.0.1")
        http = Exchange(place, plain, Limits(attempts=4), LOCAL, jitter=lambda: 0.0, sleep=slept)
        yield http, stub, plain, slept
        await http.close()


def failing(error: Exception) -> Callable[[Reply], StorageError]:
    def read(_: Reply) -> StorageError:
        raise error

    return read


ODD = (
    ValueError(SECRET),
    KeyError(SECRET),
    IndexError(SECRET),
    OverflowError(SECRET),
    TypeError(SECRET),
    UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, "no"),
)


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_a_reply_that_cannot_be_read_is_invalid(error: Exception) -> None:
    async with exchanging(answer(200)) as (http, stub, _, slept):
        with pytest.raises(
            Invalid, match=r"Cannot read object 'a' in bucket 'media' at http://127\S+: the answer is not"
        ) as failed:
            await http.send(READ, failing(error))
        assert (len(stub.seen), slept.seconds) == (1, [])
    assert_clean(failed.value)


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_a_refusal_that_cannot_be_read_is_invalid(error: Exception) -> None:
    async with exchanging(answer(500), dialect=Plain(failing(error))) as (http, *_):
        with pytest.raises(Invalid) as failed:
            await http.send(READ, lambda _: None)
        assert_clean(failed.value)
        with pytest.raises(Invalid):
            http.build_error(READ, Reply(200, {}))


def assert_clean(error: StorageError) -> None:
    """Neither the message nor what a traceback would show holds what the server said."""
    seen: BaseException | None = error
    while seen is not None:
        assert SECRET not in str(seen)
        seen = seen.__context__


async def test_our_own_errors_pass_as_they_are() -> None:
    async with exchanging(answer(200)) as (http, _, _, slept):
        with pytest.raises(NotFound, match="gone"):
            await http.send(READ, failing(NotFound("gone")))
        with pytest.raises(Unavailable, match="cut off"):
            await http.send(READ, failing(Unavailable("cut off")))
        assert len(slept.seconds) == 3
        with pytest.raises(RuntimeError):
            await http.send(READ, failing(RuntimeError("a fault of ours")))


async def test_credentials_are_renewed_once_in_whichever_try_they_expire() -> None:
    for tries in range(4):
        async with exchanging(*[answer(503)] * tries, answer(401), answer(200)) as (http, stub, dialect, _):
            assert await http.send(READ, lambda reply: reply.status) == 200
            assert (len(stub.seen), dialect.renewed) == (tries + 2, 1)
    async with exchanging(answer(503), answer(401)) as (http, stub, dialect, _):
        with pytest.raises(InvalidCredentials):
            await http.send(READ, lambda _: None)
        assert (len(stub.seen), dialect.renewed) == (3, 1)


async def test_tries_are_counted_with_renewals() -> None:
    async with exchanging(answer(503), answer(401), answer(503)) as (http, stub, _, _):
        with pytest.raises(Unavailable):
            await http.send(READ, lambda _: None)
        assert len(stub.seen) == 4


async def test_what_a_server_says_is_quoted_without_secrets() -> None:
    async with exchanging(answer(200)) as (http, *_):
        assert http.quote(f"a\n{SECRET} b", longest=7) == "a *** b"


async def test_a_host_that_the_client_does_not_take_is_told() -> None:
    endpoint = "http://2130706433:9000"
    place = Place("bucket 'media'", endpoint, endpoint, "2130706433")
    http = Exchange(place, Plain(), Limits(attempts=4), LOCAL, jitter=lambda: 0.0, sleep=Slept())
    with pytest.raises(Invalid, match=r"nobody was asked\. Write the endpoint's host as a name or as an IP address"):
        await http.send(READ, lambda reply: reply)
    await http.close()
