"""Catalog throughput: bulk merges against the plain way, one INSERT a row and a commit each, on the same PostgreSQL.

Both sides write the same facts. The peer is what one writes first with psycopg: per listed object one upsert of the source
object and one INSERT of the run's file; per result one INSERT of the media, one of the event and one UPDATE of the file's
state, the run's counters and the index's totals. The server runs without fsync, which favours the peer's many commits.

Run: python -m benchmarks.catalog [--files 100000] [--peer-files 5000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import psycopg
from psycopg.types.json import Jsonb

from tools.testservers import PostgresServer
from videovector_operator.catalog.migrate import migrate
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.names import media_id
from videovector_operator.core.records import Candidate, FileResult, FileState, JsonValue, MediaRecord, RunSpec

LEASE = timedelta(minutes=5)
MODIFIED = datetime(2026, 7, 1, tzinfo=UTC)
LOCATION = "s3://benchmark"
PAGE = 1000


def spec(run_id: str, mode: str = "all") -> RunSpec:
    return RunSpec(run_id, "benchmark", run_id, "idx_1", "conn_1", LOCATION, {}, import_mode=mode)


def candidates(count: int) -> Iterator[Candidate]:
    for number in range(count):
        yield Candidate(
            f"camera-{number % 7}/2026/07/clip-{number:09}.mp4", 1_000_000 + number, f"{number:032x}", MODIFIED
        )


def result(path: str, fingerprint: str) -> FileResult:
    technical: dict[str, JsonValue] = {
        "streams": [{"type": "video", "codec": "h264", "width": 1280, "height": 720}, {"type": "audio", "codec": "aac"}]
    }
    media = MediaRecord(
        media_id("idx_1", LOCATION, path, fingerprint),
        "video",
        path.rsplit("/", 1)[-1],
        "video/mp4",
        "mov,mp4",
        12.5,
        1280,
        720,
        25.0,
        "h264",
        "aac",
        48000,
        2,
        technical,
    )
    return FileResult(path, FileState.IMPORTED, media, bytes_read=65536)


def pages(items: Iterable[Candidate], size: int) -> Iterator[list[Candidate]]:
    source = iter(items)
    while page := list(islice(source, size)):
        yield page


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await work()
    return time.perf_counter() - start


async def scan_ours(catalog: PostgresCatalog, run: RunSpec, count: int) -> None:
    await catalog.admit_run(run)
    await catalog.start_run(run.run_id)
    await catalog.claim_scan(run.run_id, "w1", LEASE)
    for page in pages(candidates(count), PAGE):
        assert await catalog.add_candidates(run.run_id, "w1", page, page[-1].path, LEASE)
    await catalog.finish_scan(run.run_id, "w1")


async def register_ours(catalog: PostgresCatalog, run_id: str, owner: str, batch: int) -> None:
    while claimed := await catalog.claim_files(run_id, owner, batch, LEASE):
        await catalog.register_files(run_id, owner, [result(file.path, file.fingerprint) for file in claimed])


async def scan_peer(connection: psycopg.AsyncConnection, run_id: str, count: int) -> None:
    for item in candidates(count):
        await connection.execute(
            "INSERT INTO source_objects (location, path, fingerprint, size, modified_at) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (location, path) DO UPDATE SET fingerprint = EXCLUDED.fingerprint, size = EXCLUDED.size,"
            " modified_at = EXCLUDED.modified_at, last_seen_at = now()",
            (LOCATION, item.path, item.fingerprint, item.size, item.modified_at),
        )
        await connection.execute(
            "INSERT INTO run_files (run_id, path, size, fingerprint, modified_at, state) VALUES (%s, %s, %s, %s, %s, 'pending')",
            (run_id, item.path, item.size, item.fingerprint, item.modified_at),
        )


async def register_peer(connection: psycopg.AsyncConnection, run_id: str, count: int) -> None:
    for item in candidates(count):
        outcome = result(item.path, item.fingerprint)
        media = outcome.media
        assert media is not None
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO media (media_id, index_id, location, path, fingerprint, kind, title, content_type, container, size,"
                " duration_seconds, width, height, frame_rate, video_codec, audio_codec, sample_rate, channels, technical, run_id)"
                " VALUES (%s, 'idx_1', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    media.media_id,
                    LOCATION,
                    item.path,
                    item.fingerprint,
                    media.kind,
                    media.title,
                    media.content_type,
                    media.container,
                    item.size,
                    media.duration_seconds,
                    media.width,
                    media.height,
                    media.frame_rate,
                    media.video_codec,
                    media.audio_codec,
                    media.sample_rate,
                    media.channels,
                    Jsonb(media.technical),
                    run_id,
                ),
            )
            data = Jsonb({"video_id": media.media_id, "path": item.path, "title": media.title})
            await connection.execute(
                "INSERT INTO events (type, namespace, index_id, run_id, media_id, data)"
                " VALUES ('media.created', 'benchmark', 'idx_1', %s, %s, %s)",
                (run_id, media.media_id, data),
            )
            await connection.execute(
                "UPDATE run_files SET state = 'imported', media_id = %s WHERE run_id = %s AND path = %s",
                (media.media_id, run_id, item.path),
            )
            await connection.execute("UPDATE runs SET imported = imported + 1 WHERE run_id = %s", (run_id,))
            await connection.execute(
                "UPDATE index_totals SET count = count + 1, bytes = bytes + %s WHERE index_id = 'idx_1'", (item.size,)
            )


async def measure_ours(dsn: str, count: int, batch: int) -> dict[str, float]:
    async with PostgresCatalog(dsn) as catalog:
        rates = {"add_candidates, new": count / await seconds(lambda: scan_ours(catalog, spec("job_1"), count))}
        took = await seconds(lambda: register_ours(catalog, "job_1", "w1", batch))
        rates["claim + register_files"] = count / took
        await catalog.finish_run("job_1")
        rates["add_candidates, all known (new_only)"] = count / await seconds(
            lambda: scan_ours(catalog, spec("job_2", "new_only"), count)
        )
        run = await catalog.observe_run("job_2")
        assert run is not None
        assert run.counters.skipped == count
        await scan_ours(catalog, spec("job_3"), count)
        rates["end_run with everything open"] = count / await seconds(
            lambda: catalog.fail_run("job_3", "SourceUnusable", "x")
        )
        return rates


async def measure_peer(dsn: str, count: int) -> dict[str, float]:
    async with PostgresCatalog(dsn) as catalog:
        await catalog.admit_run(spec("job_1"))
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("INSERT INTO index_totals VALUES ('idx_1', 'video', 0, 0)")
        scanned = await seconds(lambda: scan_peer(connection, "job_1", count))
        registered = await seconds(lambda: register_peer(connection, "job_1", count))
        rescanned = await seconds(lambda: scan_peer(connection, "job_2", count))
    return {
        "add_candidates, new": count / scanned,
        "claim + register_files": count / registered,
        "add_candidates, all known (new_only)": count / rescanned,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--peer-files", type=int, default=5_000)
    parser.add_argument("--batch", type=int, default=200, help="files claimed and registered at once")
    options = parser.parse_args()
    with PostgresServer(f"catalog-benchmark-{os.getpid()}") as server:
        dsns = [server.create_database(name) for name in ("ours", "peer")]
        for dsn in dsns:
            migrate(dsn)
        ours = asyncio.run(measure_ours(dsns[0], options.files, options.batch))
        peer = asyncio.run(measure_peer(dsns[1], options.peer_files))
    print(f"{'rows/s':40}{'ours':>12}{'one INSERT':>12}{'ratio':>8}")
    for name, rate in ours.items():
        beside = f"{peer[name]:>12,.0f}{rate / peer[name]:>7.1f}x" if name in peer else ""
        print(f"{name:40}{rate:>12,.0f}{beside}")


if __name__ == "__main__":
    main()
