"""The gaps of fake-gcs-server, for which a front of ours stands before it.

A gap is asserted, so that one which has been repaired is noticed: the front may then leave it to the server.
"""

from __future__ import annotations

import pytest

from tests.contract.fakegcs_worlds import WRONG, World
from tests.contract.gcs_calls import UNIT

pytest_plugins = ["tests.contract.fakegcs_servers"]
pytestmark = pytest.mark.contract


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
