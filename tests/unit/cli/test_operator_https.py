"""The client of the operator's API against the API itself, over real TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_desk import TOKEN, Desk
from tests.support.certificates import make_server_tls
from tests.support.client_certificates import Authority, Identity
from tests.support.samples import NAMESPACE
from tests.support.stub_server import After, Answer, StubServer, answer
from videovector_operator.cli.credentials import Credentials
from videovector_operator.cli.failures import CommandError
from videovector_operator.cli.operator_https import HttpsOperatorApi, failure_of
from videovector_operator.cli.ports import Clock
from videovector_operator.cli.session import parse_server
from videovector_operator.errors import AccessDenied, Unavailable

Json = dict[str, Any]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def served(authority: Authority) -> AsyncIterator[Desk]:
    async with Desk(authority).serving() as desk:
        desk.storage.put("in/a.mp4", b"1234")
        yield desk


def bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Asking:
    """A client in a thread of its own, as it is a program of its own."""

    def __init__(self, port: int, credentials: Credentials, context: ssl.SSLContext | None = None) -> None:
        self.slept: list[float] = []
        clock = Clock(lambda: 0.0, self.slept.append)
        build_tls = (lambda: context) if context is not None else bare_context
        self.api = HttpsOperatorApi(("127.0.0.1", port), build_tls, credentials, clock=clock)

    async def browse(self, **query: str) -> Json:
        try:
            return await asyncio.to_thread(self.api.browse, NAMESPACE, "footage", query)
        finally:
            self.api.close()


def certificate(identity: Identity) -> Credentials:
    return Credentials(certificate=identity.certificate.read_bytes(), key=identity.key.read_bytes())


async def test_by_token(served: Desk) -> None:
    reply = await Asking(served.port, Credentials(token=TOKEN)).browse(prefix="in/ü &?", limit="5")
    assert reply["items"] == []
    assert (await Asking(served.port, Credentials(token=TOKEN)).browse())["items"][0]["path"] == "in/a.mp4"


async def test_one_connection_for_many_requests(served: Desk) -> None:
    asking = Asking(served.port, Credentials(token=TOKEN))
    for _ in range(3):
        reply = await asyncio.to_thread(asking.api.browse, NAMESPACE, "footage", {})
        assert reply["items"]
    asking.api.close()


PAGE = answer(200, b'{"items": [], "next": null}')


class Stub:
    """A scripted server with TLS, and a client of it that asks several times on one connection."""

    def __init__(self, directory: Path, *script: Answer) -> None:
        self.server = StubServer(script, make_server_tls(directory, "127.0.0.1")[0])

    async def ask(self, credentials: Credentials, times: int = 1) -> list[Json]:
        async with self.server:
            port = int(self.server.endpoint.rpartition(":")[2])
            asking = Asking(port, credentials)
            try:
                return [await asyncio.to_thread(asking.api.list_files, NAMESPACE, "first", {}) for _ in range(times)]
            finally:
                asking.api.close()


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_connection_that_was_closed_while_the_user_read_is_opened_again(tmp_path: Path, then: After) -> None:
    stub = Stub(tmp_path, PAGE, replace(PAGE, then=then), PAGE)
    assert len(await stub.ask(Credentials(token=TOKEN), times=4)) == 4
    assert len(stub.server.seen) == 4


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_new_connection_that_fails_is_not_tried_again(tmp_path: Path, then: After) -> None:
    stub = Stub(tmp_path, Answer(b"", then))
    with pytest.raises(CommandError, match="did not answer") as caught:
        await stub.ask(Credentials(token=TOKEN))
    assert (caught.value.code, len(stub.server.seen)) == (3, 1)
    stub = Stub(tmp_path, replace(PAGE, then=then), Answer(b"", then))
    with pytest.raises(CommandError, match="did not answer"):
        await stub.ask(Credentials(token=TOKEN), times=2)
    assert len(stub.server.seen) == 2


async def test_an_answer_that_breaks_off_is_no_answer_and_not_asked_for_again(tmp_path: Path) -> None:
    stub = Stub(tmp_path, PAGE, answer(200, b'{"items": []}', cut=5, then="close"))
    with pytest.raises(CommandError, match="broke off, or is no JSON object") as caught:
        await stub.ask(Credentials(token=TOKEN), times=2)
    assert (caught.value.code, len(stub.server.seen)) == (3, 2)


async def test_by_certificate(served: Desk, authority: Authority) -> None:
    assert (await Asking(served.port, certificate(authority.issue("ann"))).browse())["items"]


REFUSED: dict[str, tuple[Credentials, str]] = {
    "nobody": (Credentials(), "Unauthorized: nobody is signed in"),
    "a stranger": (Credentials(token="stolen"), "Unauthorized: the Kubernetes API does not accept the bearer token"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_strangers(served: Desk, name: str) -> None:
    credentials, words = REFUSED[name]
    with pytest.raises(CommandError, match=words) as caught:
        await Asking(served.port, credentials).browse()
    assert caught.value.code == 3
    assert "stolen" not in caught.value.message


async def test_a_certificate_of_another_ca_is_explained(served: Desk, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "other").issue("ann")
    with pytest.raises(CommandError, match="does not accept the client certificate of your kubeconfig") as caught:
        await Asking(served.port, certificate(stranger)).browse()
    assert caught.value.code == 3


async def test_who_shows_a_refused_certificate_is_told_what_the_operator_accepts(served: Desk, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "other").issue("ann")
    with pytest.raises(CommandError) as caught:
        await Asking(served.port, certificate(stranger)).browse()
    assert "without it the operator says: Unauthorized: nobody is signed in" in caught.value.message
    assert "with a bearer token of the cluster" in caught.value.message
    assert "or with a client certificate that the cluster's own client CA has signed" in caught.value.message


async def test_an_operator_that_takes_no_certificates_says_so(authority: Authority) -> None:
    desk = Desk(authority)
    desk.publish_ca(None)
    async with desk.serving():
        with pytest.raises(CommandError, match="this operator accepts no client certificates") as caught:
            await Asking(desk.port, certificate(authority.issue("ann"))).browse()
    assert caught.value.code == 3


async def test_a_token_stands_in_for_a_certificate_that_is_refused(served: Desk, tmp_path: Path) -> None:
    both = replace(certificate(Authority(tmp_path, "other").issue("ann")), token=TOKEN)
    asking = Asking(served.port, both)
    for _ in range(2):
        assert (await asyncio.to_thread(asking.api.browse, NAMESPACE, "footage", {}))["items"]
    asking.api.close()
    with pytest.raises(CommandError, match=r"client certificate.*\n  without it .* does not accept the bearer token"):
        await Asking(served.port, replace(both, token="stolen")).browse()


async def test_a_certificate_that_is_taken_goes_before_the_token(served: Desk, authority: Authority) -> None:
    both = replace(certificate(authority.issue("bob")), token=TOKEN)
    with pytest.raises(CommandError, match='user "bob" may not get'):
        await Asking(served.port, both).browse()


async def test_a_storage_that_denies_access_is_what_was_asked_about(served: Desk) -> None:
    served.storage.fail("list_pages", AccessDenied("list is denied", "AccessDenied"))
    with pytest.raises(CommandError, match="AccessDenied: list is denied") as caught:
        await Asking(served.port, Credentials(token=TOKEN)).browse()
    assert caught.value.code == 1


async def test_what_passes_is_tried_again(served: Desk) -> None:
    served.storage.fail("list_pages", Unavailable("no answer"), Unavailable("no answer"))
    asking = Asking(served.port, Credentials(token=TOKEN))
    assert (await asking.browse())["items"]
    assert asking.slept == [1.0, 1.0]


async def test_what_does_not_pass_is_given_up(served: Desk) -> None:
    served.storage.fail_always("list_pages", Unavailable("no answer"))
    asking = Asking(served.port, Credentials(token=TOKEN))
    with pytest.raises(CommandError, match="StorageUnavailable: no answer") as caught:
        await asking.browse()
    assert (caught.value.code, len(asking.slept)) == (3, 3)


async def test_nobody_listens() -> None:
    with pytest.raises(CommandError, match=r"did not answer \(ConnectionRefusedError\)"):
        await Asking(1, Credentials(token=TOKEN)).browse()


async def test_a_server_that_cannot_be_verified_gets_no_credential(served: Desk) -> None:
    context = ssl.create_default_context()
    with pytest.raises(CommandError, match=r"cannot be verified.*--server-ca"):
        await Asking(served.port, Credentials(token=TOKEN), context).browse()
    assert served.requests == []


async def test_a_server_with_a_certificate_of_yours_is_verified(authority: Authority, tmp_path: Path) -> None:
    _, trusted = make_server_tls(tmp_path, "127.0.0.1")
    (tmp_path / "server.crt").rename(tmp_path / "tls.crt")
    (tmp_path / "server.key").rename(tmp_path / "tls.key")
    context = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
    assert trusted.name == "server.crt"
    async with Desk(authority, tls_directory=tmp_path).serving() as desk:
        assert (await Asking(desk.port, Credentials(token=TOKEN), context).browse())["items"] == []


FAILURES: dict[str, tuple[int, Json, int, str]] = {
    "not there": (404, {"error": {"code": "NotFound", "message": "there is none"}}, 1, "there is none"),
    "bad Secret": (422, {"error": {"code": "SecretNotFound", "message": "no Secret"}}, 1, "SecretNotFound: no Secret"),
    "bad query": (422, {"error": {"code": "InvalidRequest", "message": "limit must be"}}, 2, "limit must be"),
    "bad pattern": (422, {"error": {"code": "InvalidPattern", "message": "pattern is"}}, 2, "pattern is"),
    "not allowed": (403, {"error": {"code": "Forbidden", "message": "may not"}}, 3, "Forbidden: may not"),
    "something else": (502, {}, 3, "the operator's API answers HTTP 502"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_a_refusal_means(name: str) -> None:
    status, body, code, message = FAILURES[name]
    failure = failure_of(status, body)
    assert (failure.code, failure.message) == (code, message)


@pytest.mark.parametrize(
    "server",
    ["http://x", "https://", "x", "https://x/?a=b", "https://u:p@x", "https://x:abc", "https://x:0", "ftp://x"],
)
def test_a_credential_goes_over_https_or_not_at_all(server: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_server(server)
    assert caught.value.code == 2


def test_servers() -> None:
    url = parse_server("https://operator.example.com:8443/below/")
    assert (url.hostname, url.port, url.path) == ("operator.example.com", 8443, "/below/")
