"""The server that stands for Google Cloud Storage: the gaps of fake-gcs-server, and what the front makes of them.

A gap is asserted, so that one which has been repaired is noticed: the front may then leave it to the server.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.contract.gcs_calls import READ, UNIT, Calls, crc32c_of, token_of
from tests.contract.raw_http import Reply, send
from tools.testservers import FakeGcsServer
from tools.testservers.clients import gcs_client
from tools.testservers.gcs_accounts import OBJECT_PERMISSIONS, READ_ONLY, ServiceAccount, make_account

pytestmark = pytest.mark.contract

_NUMBERS = itertools.count(1)
LARGE = 17 * 1024 * 1024
WRONG = "AAAAAA=="


@dataclass(frozen=True)
class World:
    """A fresh bucket: by the front as an account with every right on objects, and by fake-gcs-server itself."""

    server: FakeGcsServer
    account: ServiceAccount
    front: Calls
    bare: Calls


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGcsServer]:
    with FakeGcsServer(f"contract-fakegcs-{os.getpid()}") as running:
        yield running


@pytest.fixture(scope="module")
def account(server: FakeGcsServer) -> ServiceAccount:
    return server.create_account("writer")


@pytest.fixture
def world(server: FakeGcsServer, account: ServiceAccount) -> World:
    bucket = f"bucket-{next(_NUMBERS)}"
    server.create_bucket(bucket)
    front = Calls(server.endpoint, bucket, token_of(account))
    return World(server, account, front, Calls(server.backend.endpoint, bucket))


def generation_of(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    return str(reply.json["generation"])


def test_gap_credentials_are_never_checked(world: World) -> None:
    assert world.bare.using("nonsense").list_page().status == 200


def test_gap_generations_are_checked_on_uploads_only(world: World) -> None:
    world.bare.put("a", b"first")
    assert world.bare.put("a", b"second", ifGenerationMatch="1").status == 412
    assert world.bare.get("a", ifGenerationMatch="1").status == 200
    assert world.bare.read("a", ifGenerationMatch="1").status == 200
    assert world.bare.copy("a", "b", ifGenerationMatch="1").status == 200
    assert world.bare.copy("a", "b", ifSourceGenerationMatch="1").status == 200
    assert world.bare.delete("a", ifGenerationMatch="1").status == 200


def test_gap_a_wrong_checksum_is_noticed_in_one_kind_of_upload_only(world: World) -> None:
    assert world.bare.put_multipart("a", b"data", crc32c=WRONG).status == 400
    assert world.bare.put("a", b"data", {"X-Goog-Hash": f"crc32c={WRONG}"}).status == 200
    assert world.bare.put_session("a", [bytes(UNIT), b"end"], crc32c=WRONG).status == 200


def test_gap_asking_how_far_an_upload_is_ends_it(world: World) -> None:
    location = world.bare.begin("a").headers["location"]
    assert world.bare.chunk(location, b"", "bytes */100").status == 200
    assert world.bare.get("a").json["size"] == "0"


def test_gap_pages(world: World) -> None:
    for key in ("a/1", "b/1", "c", "d", "e"):
        world.bare.put(key)
    assert [item["name"] for item in world.bare.list_page(matchGlob="c").json["items"]] == ["a/1", "b/1", "c", "d", "e"]
    first = world.bare.list_page(delimiter="/", maxResults="1").json
    second = world.bare.list_page(delimiter="/", maxResults="1", pageToken=first["nextPageToken"]).json
    assert (first["prefixes"], [item["name"] for item in first["items"]]) == (["a/", "b/"], ["c"]), (
        "prefixes count for nothing"
    )
    assert [item["name"] for item in second["items"]] == ["d"]
    assert "prefixes" not in world.bare.list_page(delimiter="/", startOffset="b/1").json, (
        "b/ has a key behind the offset"
    )


def test_gap_a_page_has_no_limit_of_its_own(world: World) -> None:
    for number in range(1001):
        world.bare.put(f"{number:04}", b"")
    assert len(world.bare.list_page().json["items"]) == 1001
    page = world.front.list_page().json
    assert len(page["items"]) == 1000
    rest = world.front.list_page(pageToken=page["nextPageToken"]).json
    assert [item["name"] for item in rest["items"]] == ["1000"]
    assert "nextPageToken" not in rest


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


def test_preconditions(world: World) -> None:
    front = world.front
    old = generation_of(front.put("a", b"first"))
    new = generation_of(front.put("a", b"second", ifGenerationMatch=old))
    for refused in (
        front.put("a", b"third", ifGenerationMatch=old),
        front.put_multipart("a", b"third", query="&ifGenerationMatch=0"),
        front.begin("a", query="&ifGenerationMatch=0"),
        front.get("a", ifGenerationMatch=old),
        front.copy("a", "b", ifSourceGenerationMatch=old),
        front.copy("a", "a", ifGenerationMatch="0"),
        front.copy("a", "b", how="copyTo", ifSourceGenerationMatch=old),
        front.delete("a", ifGenerationMatch=old),
    ):
        assert (refused.status, refused.reason) == (412, "conditionNotMet")
    assert front.read("a", ifGenerationMatch=old).status == 412
    assert front.read("a", generation=old).status == 404
    assert front.read("a", ifGenerationMatch=new).body == b"second"
    assert front.get("a", ifGenerationNotMatch=new).status == 304
    assert front.copy("a", "b", ifGenerationMatch="0", ifSourceGenerationMatch=new).json["done"] is True
    assert front.put("a", ifGenerationMatch="soon").status == 400
    assert front.delete("a", ifGenerationMatch=new).status == 204


def test_wrong_checksums_are_noticed_in_every_kind_of_upload(world: World) -> None:
    data = bytes(UNIT) + b"end"
    for attempt in (
        lambda: world.front.put("a", data, {"X-Goog-Hash": f"crc32c={WRONG}"}),
        lambda: world.front.put_multipart("a", data, crc32c=WRONG),
        lambda: world.front.put_multipart("a", data, md5Hash="1B2M2Y8AsgTpgAmY7PhCfg=="),
        lambda: world.front.put_session("a", [data[:UNIT], data[UNIT:]], crc32c=WRONG),
    ):
        reply = attempt()
        assert (reply.status, reply.reason) == (400, "invalid")
        assert crc32c_of(data) in reply.json["error"]["message"] or "MD5" in reply.json["error"]["message"]
    assert world.front.get("a").status == 404
    assert world.server.open_uploads() == []
    assert world.front.put_session("a", [data[:UNIT], data[UNIT:]], crc32c=crc32c_of(data)).status == 200
    assert world.front.get("a").json["crc32c"] == crc32c_of(data)


def test_an_upload_session(world: World) -> None:
    data = os.urandom(3 * UNIT + 5)
    front = world.front
    location = front.begin("a", contentType="video/mp4", metadata={"x": "y"}).headers["location"]
    assert world.server.open_uploads() == ["a"]
    fresh = front.chunk(location, b"", "bytes */*")
    assert (fresh.status, "range" in fresh.headers) == (308, False)
    # Only whole units of a chunk are kept, and the client has to look.
    odd = front.chunk(location, data[: UNIT + 7], f"bytes 0-{UNIT + 6}/*")
    assert (odd.status, odd.headers["range"]) == (308, f"bytes=0-{UNIT - 1}")
    ahead = front.chunk(location, data[2 * UNIT :], f"bytes {2 * UNIT}-{len(data) - 1}/{len(data)}")
    assert ahead.status == 503
    world.server.restart()
    again = front.chunk(location, data[: 2 * UNIT], f"bytes 0-{2 * UNIT - 1}/*")
    assert again.headers["range"] == f"bytes=0-{2 * UNIT - 1}"
    assert front.chunk(location, b"", f"bytes */{len(data)}").status == 308
    end = front.chunk(location, data[2 * UNIT :], f"bytes {2 * UNIT}-{len(data) - 1}/{len(data)}")
    assert (end.status, end.json["size"], end.json["crc32c"]) == (200, str(len(data)), crc32c_of(data))
    assert front.chunk(location, b"", "bytes */*").json == end.json
    assert front.read("a").body == data
    found = front.get("a").json
    assert (found["contentType"], found["metadata"], world.server.open_uploads()) == ("video/mp4", {"x": "y"}, [])


def test_an_upload_session_can_be_given_up(world: World) -> None:
    location = world.front.begin("a").headers["location"]
    assert world.front.chunk(location, bytes(UNIT), f"bytes 0-{UNIT - 1}/*").status == 308
    target = location.removeprefix(world.server.endpoint)
    assert send(world.server.endpoint, "DELETE", target).status == 499
    assert world.front.chunk(location, b"", "bytes */*").status == 410
    assert world.front.chunk(f"{location}x", b"", "bytes */*").status == 404
    assert (world.front.get("a").status, world.server.open_uploads()) == (404, [])


def test_pages_count_prefixes_and_resume_anywhere(world: World) -> None:
    for key in ("a/1", "a/2", "b", "c/1", "c/2", "d", "folder/", "z"):
        world.front.put(key)
    for size in (1, 2, 3, 1000):
        entries, token = [], ""
        while True:
            page = world.front.list_page(
                delimiter="/", maxResults=str(size), **({"pageToken": token} if token else {})
            ).json
            here = sorted([*page.get("prefixes", []), *(item["name"] for item in page.get("items", []))])
            assert len(here) <= size
            entries += here
            token = page.get("nextPageToken", "")
            if not token:
                break
        assert entries == ["a/", "b", "c/", "d", "folder/", "z"]
    assert world.front.list_page(delimiter="/", startOffset="c/2", endOffset="d").json["prefixes"] == ["c/"]
    assert [item["name"] for item in world.front.list_page(prefix="folder/", delimiter="/").json["items"]] == [
        "folder/"
    ]
    assert world.front.list_page(pageToken="?").status == 400
    assert world.front.list_page(matchGlob="*").status == 501


def test_only_the_fields_that_are_asked_for_are_answered(world: World) -> None:
    world.front.put("a/1")
    world.front.put("b")
    page = world.front.list_page(fields="prefixes,items(name,size),nextPageToken", delimiter="/").json
    assert page == {"prefixes": ["a/"], "items": [{"name": "b", "size": "1"}]}
    assert world.front.list_page(fields="items/name").json == {"items": [{"name": "a/1"}, {"name": "b"}]}
    assert world.front.get("b", fields="size").json == {"size": "1"}
    copied = world.front.copy("b", "c", fields="done,resource(name,size)").json
    assert copied == {"done": True, "resource": {"name": "c", "size": "1"}}
    assert world.front.list_page(fields="items(name").status == 400


def test_errors_say_what_is_missing(world: World) -> None:
    nowhere = Calls(world.server.endpoint, "no-such-bucket", world.front.token)
    replies = [nowhere.list_page(), nowhere.get("a"), nowhere.put("a"), nowhere.begin("a"), world.front.get("gone")]
    assert [(reply.status, reply.reason) for reply in replies] == [(404, "notFound")] * 5
    said = [reply.json["error"]["message"] for reply in replies]
    assert said == ["The specified bucket does not exist."] * 4 + [f"No such object: {world.front.bucket}/gone"]
    assert (nowhere.read("a").status, nowhere.read("a").body) == (404, b"The specified bucket does not exist.")
    for key in (".", "..", "a\nb", "x" * 1025, ".well-known/acme-challenge/x"):
        assert world.front.put(key).status == 400
    assert world.front.send("POST", "/batch/storage/v1", b"").status == 501


def test_ranges_and_checksums_of_reads(world: World) -> None:
    world.front.put("a", b"0123456789", {"Content-Type": "video/mp4"})
    reply = world.front.read("a", "bytes=2-4")
    assert (reply.status, reply.body, reply.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert f"crc32c={crc32c_of(b'0123456789')}" in reply.headers["x-goog-hash"]
    assert (reply.headers["content-type"], reply.headers["x-goog-generation"]) == (
        "video/mp4",
        generation_of(world.front.get("a")),
    )
    assert world.front.read("a", "bytes=10-").status == 416


def test_large_objects_lie_in_files_and_behave_like_others(world: World) -> None:
    files = world.server.state / "files"
    data = os.urandom(1 << 20) * 17 + b"end"
    front = world.front
    before = set(files.iterdir())
    old = generation_of(
        front.put_session("big", [data[:LARGE], data[LARGE:]], crc32c=crc32c_of(data), contentType="video/mp4")
    )
    assert len(set(files.iterdir()) - before) == 1
    found = front.get("big").json
    assert (found["size"], found["crc32c"], found["contentType"]) == (str(len(data)), crc32c_of(data), "video/mp4")
    assert "metadata" not in found
    assert front.list_page().json["items"] == [found]
    reply = front.read("big", f"bytes={LARGE - 1}-")
    assert (reply.status, reply.body, reply.headers["x-goog-generation"]) == (206, data[LARGE - 1 :], old)
    assert front.read("big", ifGenerationMatch="1").status == 412
    assert front.read("big").body == data

    first = front.copy("big", "copy").json
    assert (first["done"], "resource" in first) == (False, False)
    assert front.get("copy").status == 404
    assert front.copy("big", "copy", rewriteToken="other").status == 400
    assert front.copy("big", "copy", rewriteToken=first["rewriteToken"]).json["resource"]["size"] == str(len(data))
    front.put("big", b"small now")
    assert front.read("big").body == b"small now"
    assert front.read("copy", "bytes=-3").body == b"end"
    assert front.delete("copy").status == 204
    assert set(files.iterdir()) == before


def memory_of(record: Path) -> int:
    """The most resident memory that a recorded process has had, in bytes."""
    pid = record.read_text().split()[0]
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def test_large_objects_are_not_held_in_memory(world: World) -> None:
    piece, count = bytes(8 << 20), 48
    size = len(piece) * count
    location = world.front.begin("big").headers["location"]
    for number in range(count):
        start = number * len(piece)
        reply = world.front.chunk(location, piece, f"bytes {start}-{start + len(piece) - 1}/{size}")
    assert reply.json["size"] == str(size)
    assert world.front.read("big", f"bytes={size - 2}-").body == b"\0\0"
    assert memory_of(world.server.state / "pid") < size // 2
    assert memory_of(world.server.backend.state / "pid") < size // 2
    world.front.delete("big")


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


def test_a_killed_server_keeps_its_objects(world: World) -> None:
    world.front.put("a", b"data")
    world.server.kill()
    with pytest.raises(OSError, match="refused"):
        world.front.read("a")
    world.server.start()
    assert world.front.read("a").body == b"data"


def test_a_key_file_is_what_the_console_gives(world: World) -> None:
    key = json.loads(world.account.key_file())
    assert (key["type"], key["client_email"]) == ("service_account", world.account.email)
    assert world.account.private_key not in repr(world.account)


def test_metadata_can_be_changed_without_a_new_generation(world: World) -> None:
    generation = generation_of(world.front.put("a", b"data"))
    editor = world.server.create_account("editor", OBJECT_PERMISSIONS | {"storage.objects.update"})
    body = json.dumps({"metadata": {"seen": "yes"}}).encode()
    changed = world.front.using(token_of(editor)).send("PATCH", world.front.path("a"), body)
    assert (changed.status, changed.json["metadata"]) == (200, {"seen": "yes"})
    assert generation_of(world.front.get("a")) == generation
