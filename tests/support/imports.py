"""The folder that import tests bring in, and the one final state it must lead to, whatever happens on the way."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.support.audio import make_wav
from tests.support.world import World

Json = dict[str, Any]
GOOD = 6


def fill_folder(s3: Any, folder: str) -> None:
    """Upload six good files, one broken, one empty and one of a type that nobody imports."""
    for number in range(GOOD):
        s3.put_object(Bucket="media", Key=f"{folder}good-{number}.wav", Body=make_wav(number))
    s3.put_object(Bucket="media", Key=f"{folder}broken.mp4", Body=b"this is no video at all")
    s3.put_object(Bucket="media", Key=f"{folder}empty.wav", Body=b"")
    s3.put_object(Bucket="media", Key=f"{folder}notes.txt", Body=b"hello")


def run_spec(prefix: str, **more: object) -> Json:
    """Spec of an ImportJob of the folder."""
    return {"connectorRef": {"name": "archive"}, "indexRef": {"name": "films"}, "sourcePrefix": prefix, **more}


def assert_imported_once(world: World, dsn: str, body: Json) -> None:
    """Every file exactly once in the catalog, exact counts and reasons in the status, one batch/v1 Job."""
    progress = body["status"]["progress"]
    assert (progress["totalFiles"], progress["imported"], progress["failed"], progress["skipped"]) == (9, GOOD, 1, 2)
    assert len(body["status"]["videoIds"]) == GOOD == len(set(body["status"]["videoIds"]))
    assert [f["reason"] for f in body["status"]["failedFiles"]] == ["UnreadableMedia"]
    assert sorted(f["reason"] for f in body["status"]["skippedFiles"]) == ["UnsupportedType", "ZeroBytes"]
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT path, count(*) FROM media GROUP BY path").fetchall()
        events = connection.execute("SELECT count(*) FROM events WHERE type = 'media.created'").fetchone()
    assert [count for _, count in rows] == [1] * GOOD
    assert events == (GOOD,)
    assert len(world.list("Job")) == 1
