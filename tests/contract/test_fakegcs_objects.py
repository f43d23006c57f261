"""What the server that stands for Google Cloud Storage makes of objects: uploads, versions, pages, reads, large ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.contract.fakegcs_worlds import WRONG, World, generation_of
from tests.contract.gcs_calls import UNIT, Calls, crc32c_of, token_of
from tests.contract.raw_http import send
from tools.testservers.gcs_accounts import OBJECT_PERMISSIONS

pytest_plugins = ["tests.contract.fakegcs_servers"]
pytestmark = pytest.mark.contract

LARGE = 17 * 1024 * 1024


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


def test_a_killed_server_keeps_its_objects(world: World) -> None:
    world.front.put("a", b"data")
    world.server.kill()
    with pytest.raises(OSError, match="refused"):
        world.front.read("a")
    world.server.start()
    assert world.front.read("a").body == b"data"


def test_metadata_can_be_changed_without_a_new_generation(world: World) -> None:
    generation = generation_of(world.front.put("a", b"data"))
    editor = world.server.create_account("editor", OBJECT_PERMISSIONS | {"storage.objects.update"})
    body = json.dumps({"metadata": {"seen": "yes"}}).encode()
    changed = world.front.using(token_of(editor)).send("PATCH", world.front.path("a"), body)
    assert (changed.status, changed.json["metadata"]) == (200, {"seen": "yes"})
    assert generation_of(world.front.get("a")) == generation
