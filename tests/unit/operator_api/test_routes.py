"""Who is let in, what they get, and how they are refused: over real TLS, with fakes behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from structlog.testing import capture_logs

from tests.support.api_desk import BROWSE, FILES, TOKEN, Desk
from tests.support.client_certificates import Authority
from tests.support.samples import NAMESPACE
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import (
    AccessDenied,
    ClusterError,
    InvalidCredentials,
    NotFound,
    StorageError,
    Throttled,
    Unavailable,
)
from videovector_operator.operator_api.routes import Limits
from videovector_operator.storage.fake import FakeStorage
from videovector_operator.storage.port import ListPage

FOOTAGE = ObjectKey("Connector", NAMESPACE, "footage")
KEYS = ObjectKey("Secret", NAMESPACE, "keys")


async def test_a_token_of_the_kubernetes_api_is_let_in(desk: Desk) -> None:
    desk.storage.put("in/a.mp4", b"1234")
    reply = await desk.ask(BROWSE)
    assert (reply.status, [item["path"] for item in reply.body["items"]]) == (200, ["in/a.mp4"])
    review = desk.cluster.reviews.asked[-1]["spec"]
    assert review == {
        "user": "ann",
        "uid": "7",
        "groups": ["editors"],
        "extra": {"a": ["b"]},
        "resourceAttributes": {
            "group": "videovector.io",
            "version": "v1alpha1",
            "resource": "connectors",
            "subresource": "browse",
            "namespace": NAMESPACE,
            "name": "footage",
            "verb": "get",
        },
    }


async def test_a_certificate_of_the_clusters_ca_is_let_in_as_its_user_and_groups(desk: Desk) -> None:
    desk.cluster.reviews.rights.add(("crew", NAMESPACE, "connectors/browse"))
    reply = await desk.ask(BROWSE, token=None, identity=desk.authority.issue("carl", ["crew", "night"]))
    assert reply.status == 200
    review = desk.cluster.reviews.asked[-1]["spec"]
    assert (review["user"], review["groups"]) == ("carl", ["crew", "night", "system:authenticated"])
    assert [asked["kind"] for asked in desk.cluster.reviews.asked] == ["SubjectAccessReview"], (
        "no token was asked about"
    )


async def test_a_certificate_goes_before_a_token(desk: Desk) -> None:
    reply = await desk.ask(BROWSE, identity=desk.authority.issue("bob"))
    assert (reply.status, reply.code) == (403, "Forbidden")
    assert '"bob"' in reply.message


REFUSED: dict[str, dict[str, Any]] = {
    "another CA": {"stranger": True},
    "expired": {"days": -1},
    "a server's": {"usage": ExtendedKeyUsageOID.SERVER_AUTH},
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_certificate_that_is_not_good_is_refused_by_tls(desk: Desk, name: str, tmp_path) -> None:
    options = dict(REFUSED[name])
    signer = Authority(tmp_path, "other-ca") if options.pop("stranger", False) else desk.authority
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await desk.ask(BROWSE, identity=signer.issue("ann", **options))
    assert desk.requests == []


@pytest.mark.parametrize(("user", "more"), [("", []), ("ann", ["bob"])])
async def test_a_certificate_must_name_one_user(desk: Desk, user: str, more: list[str]) -> None:
    identity = desk.authority.issue(user, ["crew"], more_names=more)
    reply = await desk.ask(BROWSE, token=None, identity=identity)
    assert (reply.status, reply.code) == (401, "Unauthorized")
    assert "common name" in reply.message


NOBODY = {
    "nothing": {},
    "another scheme": {"Authorization": "Basic YW5uOnNlY3JldA=="},
    "an empty token": {"Authorization": "Bearer "},
    "two words": {"Authorization": "Bearer a b"},
    "an unknown token": {"Authorization": "Bearer stolen-and-revoked"},
    "the right token in another header": {"X-Api-Key": TOKEN},
}


@pytest.mark.parametrize("name", NOBODY)
@pytest.mark.parametrize("path", [BROWSE, FILES, "/", "/apis/v1alpha1/namespaces/no/connectors/x/browse", "/healthz"])
async def test_who_is_not_known_learns_nothing(desk: Desk, name: str, path: str) -> None:
    reply = await desk.ask(path, headers=NOBODY[name] or {"X-Nothing": ""})
    assert (reply.status, reply.code) == (401, "Unauthorized")
    assert "stolen-and-revoked" not in reply.message


@pytest.mark.parametrize("path", [BROWSE, BROWSE.replace("footage", "unknown"), BROWSE.replace("/media/", "/other/")])
async def test_who_may_not_is_told_what_is_missing_and_not_what_exists(desk: Desk, path: str) -> None:
    desk.cluster.reviews.tokens["of-bob"] = {"username": "bob", "groups": ["system:authenticated"]}
    reply = await desk.ask(path, token="of-bob")
    assert (reply.status, reply.code) == (403, "Forbidden")
    assert 'user "bob" may not get connectors/browse in namespace' in reply.message
    assert "ClusterRole view" in reply.message
    assert desk.sources == []


async def test_rights_are_asked_anew_for_every_request(desk: Desk) -> None:
    assert (await desk.ask(BROWSE)).status == 200
    desk.cluster.reviews.rights.clear()
    assert (await desk.ask(BROWSE)).status == 403


async def test_what_is_not_there_is_named(desk: Desk) -> None:
    reply = await desk.ask(BROWSE.replace("footage", "unknown"))
    assert (reply.status, reply.message) == (404, f'there is no Connector "unknown" in namespace "{NAMESPACE}"')
    reply = await desk.ask(FILES.replace("first", "unknown"))
    assert (reply.status, reply.message) == (404, f'there is no ImportJob "unknown" in namespace "{NAMESPACE}"')
    reply = await desk.ask(FILES)
    assert (reply.status, reply.code) == (404, "NotFound")
    assert "the catalog knows no run" in reply.message
    assert (await desk.ask("/apis/v1alpha1")).status == 404
    assert (await desk.ask(BROWSE, method="POST")).status == 404


async def test_a_namespace_that_is_not_watched_is_named(authority: Authority) -> None:
    async with Desk(authority, namespaces=("elsewhere",)).serving() as desk:
        reply = await desk.ask(BROWSE)
    assert (reply.status, reply.message) == (404, f'this operator does not watch namespace "{NAMESPACE}"')


@pytest.mark.parametrize("name", ["UPPER", "a%2Fb", "..%2F..", "a" * 254, "%00", "-a", "ä"])
async def test_names_that_no_object_can_have_are_refused(desk: Desk, name: str) -> None:
    reply = await desk.ask(f"/apis/v1alpha1/namespaces/{NAMESPACE}/connectors/{name}/browse")
    assert (reply.status, reply.code) in ((422, "InvalidRequest"), (404, "NotFound"))
    assert desk.sources == []


QUERIES = {
    "a misspelt parameter": ([("prefx", "a")], "there is no parameter 'prefx'; there are prefix, pattern"),
    "a parameter twice": ([("prefix", "a"), ("prefix", "b")], "prefix is given more than once"),
    "no flag": ([("recursive", "maybe")], "recursive must be true or false"),
    "no number": ([("limit", "ten")], "limit must be a number from 1 to 10000"),
    "nothing": ([("limit", "0")], "limit must be a number"),
    "too much": ([("limit", "10001")], "limit must be a number from 1 to 10000"),
    "a long prefix": ([("prefix", "a" * 1025)], "prefix has 1025 characters"),
    "an empty pattern": ([("pattern", "")], "pattern is empty"),
    "a long pattern": ([("pattern", "a" * 5000)], "pattern has 5000 characters"),
    "many alternatives": ([("pattern", "{a,b}" * 8)], "more than 100 alternatives"),
}


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_that_makes_no_sense_is_explained(desk: Desk, name: str) -> None:
    query, words = QUERIES[name]
    reply = await desk.ask(BROWSE, query)
    assert reply.status == 422
    assert words in reply.message
    assert "spec.filePattern" not in reply.message
    assert desk.sources == []


STORAGE: dict[str, tuple[StorageError, int, str]] = {
    "wrong keys": (InvalidCredentials("the keys are unknown", "InvalidAccessKeyId"), 422, "InvalidCredentials"),
    "no right to list": (AccessDenied("list is denied"), 422, "AccessDenied"),
    "no bucket": (NotFound("no bucket footage"), 422, "BucketNotFound"),
    "down": (Unavailable("no answer"), 503, "StorageUnavailable"),
    "throttled": (Throttled("slow down", retry_after=7), 503, "StorageThrottled"),
}


@pytest.mark.parametrize("name", STORAGE)
async def test_what_the_provider_says_is_what_people_read(desk: Desk, name: str) -> None:
    error, status, code = STORAGE[name]
    desk.storage.fail("list_pages", error)
    reply = await desk.ask(BROWSE)
    assert (reply.status, reply.code, reply.message) == (status, code, error.message)
    assert reply.headers.get("Retry-After") == {"throttled": "7", "down": "1"}.get(name)
    assert desk.storage.closed


async def test_a_secret_that_does_not_do_is_explained_without_a_request_to_storage(desk: Desk) -> None:
    desk.cluster.edit(KEYS, {"data": {"secretAccessKey": None}})
    reply = await desk.ask(BROWSE)
    assert (reply.status, reply.code) == (422, "SecretKeyMissing")
    assert "Secret 'keys' lacks the key secretAccessKey" in reply.message
    desk.cluster.delete(KEYS)
    assert (await desk.ask(BROWSE)).code == "SecretNotFound"
    assert desk.sources == []


async def test_the_operators_own_identity_stands_in_for_no_other(desk: Desk) -> None:
    desk.cluster.edit(FOOTAGE, {"spec": {"credentialsSecretRef": None, "serviceAccountName": "media-reader"}})
    reply = await desk.ask(BROWSE)
    assert (reply.status, reply.code) == (422, "ConnectionNotTested")
    assert "'media-reader'" in reply.message
    assert desk.sources == []


async def test_a_kubernetes_api_that_does_not_answer_is_no_refusal(desk: Desk) -> None:
    desk.cluster.fail("create", ClusterError("no answer"), kind="TokenReview")
    assert (await desk.ask(BROWSE)).status == 503
    desk.cluster.fail("create", ClusterError("no answer"), kind="SubjectAccessReview")
    reply = await desk.ask(BROWSE)
    assert (reply.status, reply.code) == (503, "ClusterUnavailable")


async def test_an_outage_of_the_catalog_is_named(desk: Desk) -> None:
    desk.catalog.outage = "PostgreSQL does not answer"
    reply = await desk.ask(FILES)
    assert (reply.status, reply.code) == (503, "CatalogUnavailable")
    assert reply.message == "PostgreSQL does not answer"


class StuckStorage(FakeStorage):
    """Lists for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()

    async def list_pages(self, *_: object, **__: object) -> AsyncIterator[ListPage]:
        self.entered.set()
        await self.go_on.wait()
        yield ListPage(())


async def test_an_answer_that_takes_too_long_is_given_up(authority: Authority) -> None:
    async with Desk(authority, limits=Limits(seconds=0.1)).serving() as desk:
        desk.storage = StuckStorage()
        reply = await desk.ask(BROWSE)
    assert (reply.status, reply.code) == (503, "Timeout")
    assert desk.storage.closed


async def test_what_is_too_much_at_once_is_sent_away(authority: Authority) -> None:
    async with Desk(authority, limits=Limits(together=1)).serving() as desk:
        stuck = desk.storage = StuckStorage()
        first = asyncio.create_task(desk.ask(BROWSE))
        await asyncio.wait_for(stuck.entered.wait(), 10)
        second = await desk.ask(BROWSE)
        stuck.go_on.set()
        assert (await first).status == 200
        assert (second.status, second.code, second.headers["Retry-After"]) == (503, "Busy", "1")
        assert (await desk.ask(BROWSE)).status == 200


class BrokenStorage(FakeStorage):
    """A bug of ours, with a secret in its text."""

    def list_pages(self, *_: object, **__: object) -> AsyncIterator[ListPage]:
        raise KeyError("top-secret-key")


async def test_the_text_of_an_unexpected_error_stays_here(desk: Desk) -> None:
    desk.storage = BrokenStorage()
    reply = await desk.ask(BROWSE)
    assert (reply.status, reply.code) == (500, "InternalError")
    assert "top-secret-key" not in str(reply.body)


async def test_credentials_and_tokens_reach_no_reply_and_no_log(desk: Desk) -> None:
    desk.storage.put("in/a.mp4", b"1234")
    desk.cluster.reviews.tokens["of-bob"] = {"username": "bob"}
    with capture_logs() as logs:
        replies = [
            await desk.ask(path, token=token, headers=headers)
            for path in (BROWSE, FILES, "/x")
            for token, headers in ((TOKEN, None), ("of-bob", None), (None, {"Authorization": "Bearer wrong-token"}))
        ]
    text = str([(reply.body, reply.headers) for reply in replies]) + str(logs)
    for secret in ("top-secret-key", "AKIAEXAMPLE", TOKEN, "of-bob", "wrong-token"):
        assert secret not in text
    assert {log["status"] for log in logs if log["event"] == "api request"} == {200, 401, 403, 404}
    assert {log.get("user") for log in logs} == {None, "ann", "bob"}


async def test_requests_are_counted(desk: Desk) -> None:
    await desk.ask(BROWSE)
    await desk.ask(FILES)
    await desk.ask("/x", token="nobody")
    assert desk.requests == [("browse", 200), ("files", 404), ("unknown", 401)]
