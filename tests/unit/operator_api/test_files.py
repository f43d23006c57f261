"""The full list of a run's files, page by page."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.api_desk import FILES, Desk
from tests.support.samples import NAMESPACE
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import FileState, RunFile, RunSpec
from videovector_operator.operator_api.problems import ApiProblem
from videovector_operator.operator_api.queries import build_cursor, parse_cursor

Json = dict[str, Any]
FIRST = ObjectKey("ImportJob", NAMESPACE, "first")


@pytest.fixture
async def run(desk: Desk) -> str:
    body = desk.cluster.find(FIRST)
    assert body is not None
    run_id = names.import_run_id(body["metadata"]["uid"])
    spec = RunSpec(run_id, NAMESPACE, "first", "idx_1", "conn_1", "s3://footage", {})
    await desk.catalog.admit_run(spec)
    desk.catalog.set_files(
        run_id,
        [
            RunFile("a.mp4", 10, FileState.IMPORTED, media_id="vid_1", attempts=1),
            RunFile("b.mp4", 20, FileState.FAILED, "UnreadableMedia", "the file is text", attempts=2),
            RunFile("c.mp4", 30, FileState.FAILED, "AccessDenied", "denied", attempts=1),
            RunFile("d.txt", 40, FileState.SKIPPED, "UnsupportedType", "not a medium"),
        ],
    )
    return run_id


async def read_all(desk: Desk, **query: str) -> list[str]:
    """Every path, by the pages' own ``next``."""
    found: list[str] = []
    after = ""
    for _ in range(10):
        reply = await desk.ask(FILES, {**query, "after": after})
        assert reply.status == 200, reply
        found += [item["path"] for item in reply.body["items"]]
        after = reply.body["next"]
        if after is None:
            return found
    raise AssertionError("the pages do not end")


async def test_a_file_is_described_whole(desk: Desk, run: str) -> None:
    reply = await desk.ask(FILES, {"reason": "UnreadableMedia"})
    assert reply.body == {
        "items": [
            {
                "path": "b.mp4",
                "size_bytes": 20,
                "state": "failed",
                "reason": "UnreadableMedia",
                "message": "the file is text",
                "media_id": None,
                "attempts": 2,
            }
        ],
        "next": None,
    }


@pytest.mark.parametrize("limit", ["1", "2", "3", "4", "5"])
async def test_pages_hold_every_file_once(desk: Desk, run: str, limit: str) -> None:
    assert await read_all(desk, limit=limit) == ["a.mp4", "b.mp4", "c.mp4", "d.txt"]
    assert await read_all(desk, limit=limit, state="failed") == ["b.mp4", "c.mp4"]


async def test_a_run_without_such_files_is_an_empty_list(desk: Desk, run: str) -> None:
    assert await read_all(desk, state="pending") == []


async def test_a_re_created_import_is_another_run(desk: Desk, run: str) -> None:
    body = desk.cluster.find(FIRST)
    assert body is not None
    desk.cluster.delete(FIRST)
    desk.cluster.apply({**body, "metadata": {"name": "first", "namespace": NAMESPACE}})
    assert (await desk.ask(FILES)).status == 404


QUERIES = {
    "state": ("lost", "state must be one of pending, leased, imported, failed, skipped"),
    "reason": ("Un readable'; --", "reason must be one word"),
    "after": ("b.mp4", "after must be the value of next"),
    "limit": ("5001", "limit must be a number from 1 to 5000"),
}


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_that_makes_no_sense_is_explained(desk: Desk, run: str, name: str) -> None:
    value, words = QUERIES[name]
    reply = await desk.ask(FILES, {name: value})
    assert (reply.status, reply.code) == (422, "InvalidRequest")
    assert words in reply.message


@given(st.text(st.characters(exclude_categories=())))
def test_any_path_can_be_a_cursor(path: str) -> None:
    assert parse_cursor(build_cursor(path)) == path
    assert build_cursor(path).isascii()


@pytest.mark.parametrize("text", ["ä", "a", "////", "_w==", "gA=="])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ApiProblem, match="after must be"):
        parse_cursor(text)
