"""What browsing shows: the contract's words, filters, bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.api_desk import BROWSE, Desk
from tests.support.samples import NAMESPACE
from videovector_operator.core.keys import ObjectKey
from videovector_operator.operator_api.browse import describe, list_objects
from videovector_operator.operator_api.queries import MAX_OBJECTS, parse_browse
from videovector_operator.storage.fake import FakeStorage

Json = dict[str, Any]
FOOTAGE = ObjectKey("Connector", NAMESPACE, "footage")


async def browse(storage: FakeStorage, **query: str) -> Json:
    parsed = parse_browse({name: [value] for name, value in query.items()})
    return describe(await list_objects(storage, parsed), recursive=parsed.recursive)


def paths(reply: Json) -> list[str]:
    return [item["path"] for item in reply["items"]]


@pytest.fixture
def storage() -> FakeStorage:
    found = FakeStorage()
    for key in ("a.mp4", "a.txt", "shoots/1/x.mp4", "shoots/1/y.MOV", "shoots/2/", "shoots/z.mp4"):
        found.put(key, b"12345")
    return found


@pytest.mark.parametrize(("said", "shown"), [("", None), ("video/mp4", "video/mp4")])
async def test_an_object_is_described_in_the_contracts_words(said: str, shown: str | None) -> None:
    storage = FakeStorage()
    changed = datetime(2026, 5, 1, 14, 0, 0, 999999, tzinfo=timezone(timedelta(hours=2)))
    storage.put("dir/Odd Näme.MP4", b"123", modified_at=changed, content_type=said)
    assert await browse(storage) == {
        "items": [
            {
                "path": "dir/Odd Näme.MP4",
                "name": "Odd Näme.MP4",
                "size_bytes": 3,
                "last_modified": "2026-05-01T12:00:00Z",
                "content_type": shown,
                "extension": "mp4",
            }
        ],
        "truncated": False,
        "scanned": 1,
    }


@pytest.mark.parametrize(
    ("key", "name", "extension"),
    [("a/b/", "b", ""), ("a//b", "b", ""), (".mp4", ".mp4", ""), ("x.tar.gz", "x.tar.gz", "gz")],
)
async def test_odd_keys_have_a_name_too(key: str, name: str, extension: str) -> None:
    storage = FakeStorage()
    storage.put(key, b"1", modified_at=datetime(2026, 1, 1, tzinfo=UTC))
    (item,) = (await browse(storage))["items"]
    assert (item["path"], item["name"], item["extension"]) == (key, name, extension)


CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "everything": ({}, ["a.mp4", "a.txt", "shoots/1/x.mp4", "shoots/1/y.MOV", "shoots/2/", "shoots/z.mp4"]),
    "a prefix is no folder": ({"prefix": "a."}, ["a.mp4", "a.txt"]),
    "a pattern without a slash": ({"pattern": "*.mp4"}, ["a.mp4", "shoots/1/x.mp4", "shoots/z.mp4"]),
    "braces": ({"pattern": "*.{MOV,txt}"}, ["a.txt", "shoots/1/y.MOV"]),
    "a pattern with one is below the prefix": (
        {"prefix": "shoots/", "pattern": "1/*"},
        ["shoots/1/x.mp4", "shoots/1/y.MOV"],
    ),
    "an object's full key": (
        {"prefix": "shoots/z.mp4", "pattern": "z.mp4", "recursive": "false", "limit": "1"},
        ["shoots/z.mp4"],
    ),
    "nothing": ({"prefix": "no"}, []),
}


@pytest.mark.parametrize("name", CASES)
async def test_filters(storage: FakeStorage, name: str) -> None:
    query, expected = CASES[name]
    reply = await browse(storage, **query)
    assert (paths(reply), reply["truncated"]) == (expected, False)


async def test_one_level_shows_the_folders_below(storage: FakeStorage) -> None:
    reply = await browse(storage, recursive="false")
    assert (paths(reply), reply["prefixes"]) == (["a.mp4", "a.txt"], ["shoots/"])
    reply = await browse(storage, recursive="false", prefix="shoots/")
    assert (paths(reply), reply["prefixes"]) == (["shoots/z.mp4"], ["shoots/1/", "shoots/2/"])
    assert "prefixes" not in await browse(storage)


@pytest.mark.parametrize(
    ("limit", "pattern", "expected", "truncated"),
    [
        ("1", "*", ["a.mp4"], True),
        ("5", "*", ["a.mp4", "a.txt", "shoots/1/x.mp4", "shoots/1/y.MOV", "shoots/2/"], True),
        ("6", "*", ["a.mp4", "a.txt", "shoots/1/x.mp4", "shoots/1/y.MOV", "shoots/2/", "shoots/z.mp4"], False),
        ("1", "*.txt", ["a.txt"], False),
        ("2", "*.mp4", ["a.mp4", "shoots/1/x.mp4"], True),
    ],
)
async def test_what_is_left_out_is_told(
    storage: FakeStorage, limit: str, pattern: str, expected: list[str], truncated: bool
) -> None:
    reply = await browse(storage, limit=limit, pattern=pattern)
    assert (paths(reply), reply["truncated"]) == (expected, truncated)


async def test_an_object_is_found_by_its_full_key_whatever_lies_below_a_folder_of_its_name() -> None:
    storage = FakeStorage()
    for key in ("videos/clip.mp4", "videos/clip.mp4/part", "videos/clip.mp4-old", "videos/clip.mp4/clip.mp4"):
        storage.put(key, b"12345")
    query = {"prefix": "videos/clip.mp4", "pattern": "clip.mp4", "recursive": "false", "limit": "1"}
    reply = await browse(storage, **query)
    assert (paths(reply), reply["truncated"]) == (["videos/clip.mp4"], False)


async def test_folders_do_not_take_the_place_of_objects(storage: FakeStorage) -> None:
    reply = await browse(storage, recursive="false", prefix="shoots/", limit="1")
    assert (paths(reply), reply["prefixes"], reply["truncated"]) == (["shoots/z.mp4"], ["shoots/1/"], True)
    reply = await browse(storage, recursive="false", prefix="shoots/", limit="2")
    assert (paths(reply), reply["prefixes"], reply["truncated"]) == (
        ["shoots/z.mp4"],
        ["shoots/1/", "shoots/2/"],
        False,
    )


async def test_the_pattern_is_for_folders_too(storage: FakeStorage) -> None:
    reply = await browse(storage, recursive="false", prefix="shoots/", pattern="*.mp4")
    assert (paths(reply), reply["prefixes"]) == (["shoots/z.mp4"], [])
    reply = await browse(storage, recursive="false", prefix="shoots/", pattern="[1z]*")
    assert (paths(reply), reply["prefixes"]) == (["shoots/z.mp4"], ["shoots/1/"])


async def test_a_folder_without_a_name_is_shown() -> None:
    storage = FakeStorage()
    for key in ("a//b.mp4", "/c.mp4"):
        storage.put(key)
    assert (await browse(storage, recursive="false"))["prefixes"] == ["/", "a/"]
    assert (await browse(storage, recursive="false", prefix="a/", pattern="*.mp4"))["prefixes"] == ["a//"]


async def test_objects_behind_many_folders_are_found() -> None:
    storage = FakeStorage()
    for number in range(700):
        storage.put(f"folder-{number:04}/a.mp4")
    storage.put("last.mp4")
    reply = await browse(storage, recursive="false", limit="5")
    assert (paths(reply), len(reply["prefixes"]), reply["truncated"]) == (["last.mp4"], 5, True)


async def test_folders_of_a_page_on_which_the_objects_are_full_are_shown() -> None:
    storage = FakeStorage()
    for key in ("a/x", "b.mp4", "c.mp4", "d.mp4"):
        storage.put(key)
    reply = await browse(storage, recursive="false", limit="2")
    assert (paths(reply), reply["prefixes"], reply["truncated"]) == (["b.mp4", "c.mp4"], ["a/"], True)


async def test_no_more_than_so_many_folders_are_looked_at() -> None:
    storage = FakeStorage()
    for number in range(MAX_OBJECTS + 1):
        storage.put(f"{number:06}/a.mp4")
    reply = await browse(storage, recursive="false", limit="3")
    assert (len(reply["prefixes"]), reply["scanned"], reply["truncated"]) == (3, MAX_OBJECTS, True)


async def test_no_more_than_so_many_objects_are_looked_at() -> None:
    storage = FakeStorage()
    for number in range(MAX_OBJECTS + 1):
        storage.put(f"{number:06}.txt")
    reply = await browse(storage, pattern="*.mp4")
    assert (reply["items"], reply["scanned"], reply["truncated"]) == ([], MAX_OBJECTS, True)
    storage.remove("000000.txt")
    reply = await browse(storage, limit=str(MAX_OBJECTS))
    assert (len(reply["items"]), reply["truncated"]) == (MAX_OBJECTS, False)


async def test_the_storage_is_opened_as_the_connector_says_and_closed(desk: Desk) -> None:
    assert (await desk.ask(BROWSE)).body["items"] == []
    (source,) = desk.sources
    assert source.credentials is not None
    assert desk.storage.closed


async def test_odd_keys_survive_the_way(desk: Desk) -> None:
    key = "x\u202egpj.\x1b[31m\ud800\x00\n.mp4"
    desk.storage.put(key, b"1")
    reply = await desk.ask(BROWSE, {"pattern": "*.mp4"})
    assert paths(reply.body) == [key]


async def test_a_connector_that_no_longer_fits_its_schema_is_explained(desk: Desk) -> None:
    desk.cluster.edit(FOOTAGE, {"spec": {"provider": "tape"}})
    reply = await desk.ask(BROWSE)
    assert (reply.status, reply.code) == (422, "InvalidSpec")
