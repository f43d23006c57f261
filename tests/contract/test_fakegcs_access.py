"""Whom the server that stands for Google Cloud Storage lets in: tokens, permissions, signed URLs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from urllib.request import urlopen

import pytest

from tests.contract.fakegcs_worlds import World
from tests.contract.gcs_calls import READ, Calls, token_of
from tests.contract.raw_http import Reply, send
from tools.testservers.clients import gcs_client
from tools.testservers.gcs_accounts import OBJECT_PERMISSIONS, READ_ONLY, ServiceAccount, make_account

pytest_plugins = ["tests.contract.fakegcs_servers"]
pytestmark = pytest.mark.contract

_NUMBERS = itertools.count(1)


def forged(account: ServiceAccount) -> ServiceAccount:
    other, _ = make_account("forger", account.project)
    return ServiceAccount(account.email, account.project, account.key_id, other.private_key)


TOKENS: dict[str, tuple[Callable[[ServiceAccount], str], int, str]] = {
    "scope": (token_of, 200, ""),
    "audience": (lambda who: token_of(who, scope=None, aud="https://storage.googleapis.com/"), 200, ""),
    "no token": (lambda _: "", 401, "required"),
    "no JWT": (lambda _: "ya29.something", 401, "authError"),
    "expired": (lambda who: token_of(who, age=3700), 401, "authError"),
    "valid for too long": (lambda who: token_of(who, seconds=7200), 401, "authError"),
    "other audience": (lambda who: token_of(who, scope=None, aud="https://example.com/"), 401, "authError"),
    "neither scope nor audience": (lambda who: token_of(who, scope=None), 401, "authError"),
    "for somebody else": (lambda who: token_of(who, sub="other@example.com"), 401, "authError"),
    "unknown account": (lambda who: token_of(make_account("stranger", who.project)[0]), 401, "authError"),
    "wrongly signed": (lambda who: token_of(forged(who)), 401, "authError"),
    "scope of another service": (lambda who: token_of(who, scope="https://x/other"), 403, "insufficientPermissions"),
}


@pytest.mark.parametrize("case", TOKENS)
def test_tokens(world: World, case: str) -> None:
    build, status, reason = TOKENS[case]
    reply = world.front.using(build(world.account)).list_page()
    assert reply.status == status
    assert status == 200 or (reply.reason, reply.json["error"]["code"]) == (reason, status)
    assert status != 401 or "Bearer" in reply.headers["www-authenticate"]


def test_a_token_may_ask_for_less_than_its_account(world: World) -> None:
    world.front.put("a", b"data")
    reader = world.front.using(token_of(world.account, scope=READ))
    assert (reader.list_page().status, reader.read("a").body) == (200, b"data")
    assert [reader.put("b").status, reader.delete("a").status] == [403, 403]


def test_rotated_keys_and_deleted_accounts_are_refused_at_once(world: World) -> None:
    old = world.server.create_account("rotated")
    assert world.front.using(token_of(old)).list_page().status == 200
    new = world.server.create_account("rotated")
    assert world.front.using(token_of(old)).list_page().status == 401
    assert world.front.using(token_of(new)).list_page().status == 200
    world.server.delete_account(new)
    assert world.front.using(token_of(new)).list_page().status == 401


def test_each_permission_is_checked_alone(world: World) -> None:
    world.front.put("a", b"data")
    calls: dict[str, Callable[[Calls], Reply]] = {
        "storage.objects.list": lambda who: who.list_page(),
        "storage.objects.get": lambda who: who.read("a"),
        "storage.objects.create": lambda who: who.put(f"new-{next(_NUMBERS)}"),
        "storage.objects.delete": lambda who: who.delete("a"),
    }
    someone = world.server.create_account("someone", ())
    who = world.front.using(token_of(someone))
    for permission, call in calls.items():
        world.server.grant(someone, ())
        refused = call(who)
        assert (refused.status, permission in refused.body.decode()) == (403, True)
        world.server.grant(someone, {permission})
        assert call(who).status in {200, 204}
        assert [other for other in calls if calls[other](who).status == 403] == [o for o in calls if o != permission]


def test_permissions_are_by_bucket(world: World) -> None:
    other = f"{world.front.bucket}-other"
    world.server.create_bucket(other)
    someone = world.server.create_account("by-bucket", READ_ONLY)
    world.server.grant(someone, OBJECT_PERMISSIONS, world.front.bucket)
    who = world.front.using(token_of(someone))
    assert (who.put("a").status, Calls(who.endpoint, other, who.token).put("a").status) == (200, 403)
    asked = "?permissions=storage.objects.list&permissions=storage.objects.create"
    for bucket, granted in (
        (world.front.bucket, ["storage.objects.list", "storage.objects.create"]),
        (other, ["storage.objects.list"]),
    ):
        reply = who.send("GET", f"/storage/v1/b/{bucket}/iam/testPermissions{asked}")
        assert reply.json["permissions"] == granted


def test_replacing_and_missing_objects_need_permissions_of_their_own(world: World) -> None:
    world.front.put("a", b"data")
    creator = world.server.create_account("creator", {"storage.objects.create", "storage.objects.get"})
    who = world.front.using(token_of(creator))
    assert (who.put("b").status, who.put("a").status, who.copy("b", "a").status) == (200, 403, 403)
    assert b"storage.objects.delete" in who.put("a").body
    assert (who.read("gone").status, world.front.read("gone").status) == (403, 404)


def test_signed_urls(world: World) -> None:
    world.front.put("a b+%41/é.mp4", b"0123456789")
    blob = gcs_client(world.server).bucket(world.front.bucket).blob("a b+%41/é.mp4")
    options = {"version": "v4", "api_access_endpoint": world.server.endpoint}
    url: str = blob.generate_signed_url(expiration=60, **options)
    with urlopen(url, timeout=10) as reply:
        assert reply.read() == b"0123456789"
    target = url.removeprefix(world.server.endpoint)
    for spoilt in (target.replace("a%20b", "a%20c"), target.replace("X-Goog-Expires=60", "X-Goog-Expires=61")):
        refused = send(world.server.endpoint, "GET", spoilt)
        assert (refused.status, b"SignatureDoesNotMatch" in refused.body) == (403, True)
    assert send(world.server.endpoint, "DELETE", target).status == 501
    stranger, _ = make_account("stranger", world.server.project)
    unknown = target.replace("administrator%40", f"{stranger.email.split('@')[0]}%40")
    assert send(world.server.endpoint, "GET", unknown).status == 403


def test_an_expired_signed_url(world: World) -> None:
    world.front.put("a")
    blob = gcs_client(world.server).bucket(world.front.bucket).blob("a")
    url: str = blob.generate_signed_url(version="v4", expiration=60, api_access_endpoint=world.server.endpoint)
    target = url.removeprefix(world.server.endpoint)
    stamp = target.split("X-Goog-Date=")[1].split("&")[0]
    earlier = send(world.server.endpoint, "GET", target.replace(stamp, "20200101T000000Z"))
    assert (earlier.status, b"ExpiredToken" in earlier.body) == (400, True)


def test_a_key_file_is_what_the_console_gives(world: World) -> None:
    key = json.loads(world.account.key_file())
    assert (key["type"], key["client_email"]) == ("service_account", world.account.email)
    assert world.account.private_key not in repr(world.account)
