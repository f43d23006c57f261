"""Claim: an import worker catalogues small files at least 5 times faster than a plain loop that does the same work.

Both read the same files from the same S3 gateway (headers by ranged GET), probe them with libav and write the same rows
(source object, run file, media, event) into the same tables. The peer is the loop that one would write first: boto3's
paginator and get_object, PyAV with its defaults, one INSERT a row and one commit a file. It does less (no leases, totals,
skip rules, progress), and may run on the first files of the listing only; its speed per file does not depend on their number. Ours is the program that runs in a Job's pods, as many at
a time as ``spec.parallelism`` is by default, on all files.

Run: PYTHONPATH=operator python -m benchmarks.imports [--files 10000] [--peer-files 2000] [--workers 2]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import psycopg

from tools.sample_media import iterate_small
from tools.testservers import PostgresServer, VersityGateway
from tools.testservers.clients import s3_client_of
from videovector_operator.catalog.migrate import migrate
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import RunSpec

BUCKET = "media"
RUN = "job_benchmark"
INDEX = "idx_benchmark"
WORKER_TIMEOUT_SECONDS = 1800
TARGET_RATIO = 5.0
_RANGE = "bytes=0-65535"
_UPLOADERS = 4


@dataclass(frozen=True)
class Servers:
    """Addresses and keys of what both sides talk to."""

    endpoint: str
    access_key: str
    secret_key: str
    dsn: str


@contextmanager
def running_servers() -> Iterator[Servers]:
    name = f"benchmark-imports-{os.getpid()}"
    with PostgresServer(f"{name}-pg") as postgres, VersityGateway(f"{name}-s3") as gateway:
        migrate(postgres.dsn)
        yield Servers(gateway.endpoint, gateway.access_key, gateway.secret_key, postgres.dsn)


def open_boto3(servers: Servers) -> Any:
    return s3_client_of(servers.endpoint, servers.access_key, servers.secret_key)


def upload(servers: Servers, files: int) -> None:
    open_boto3(servers).create_bucket(Bucket=BUCKET)
    with multiprocessing.get_context("spawn").Pool(_UPLOADERS) as pool:
        pool.starmap(_upload_share, [(servers, files, share) for share in range(_UPLOADERS)])


def _upload_share(servers: Servers, files: int, share: int) -> None:
    client = open_boto3(servers)
    for number, (path, data) in enumerate(iterate_small(files)):
        if number % _UPLOADERS == share:
            client.put_object(Bucket=BUCKET, Key=path, Body=data)


def import_with_peer(servers: Servers, files: int) -> None:
    """The plain loop."""
    client = open_boto3(servers)
    done = 0
    with psycopg.connect(servers.dsn) as connection:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page["Contents"]:
                head = client.get_object(Bucket=BUCKET, Key=entry["Key"], Range=_RANGE)["Body"].read()
                insert_with_peer(connection, entry, probe_with_peer(head), len(head))
                done += 1
                if done == files:
                    return


def probe_with_peer(head: bytes) -> dict[str, Any]:
    with av.open(io.BytesIO(head), "r") as container:
        stream = container.streams[0]
        sound = stream if isinstance(stream, av.AudioStream) else None
        return {
            "kind": "audio" if sound else ("video" if container.format.name.startswith("mov") else "image"),
            "container": container.format.name,
            "duration": container.duration / av.time_base if container.duration else None,
            "width": stream.width if isinstance(stream, av.VideoStream) else None,
            "height": stream.height if isinstance(stream, av.VideoStream) else None,
            "codec": stream.codec_context.name,
            "sample_rate": sound.sample_rate if sound else None,
        }


def insert_with_peer(connection: Any, entry: dict[str, Any], probe: dict[str, Any], read: int) -> None:
    """The rows of one file, one INSERT each, and one commit: media and event belong together."""
    path, etag, size, modified = entry["Key"], entry["ETag"].strip('"'), entry["Size"], entry["LastModified"]
    media = f"peer_{hashlib.sha256(path.encode()).hexdigest()[:26]}"
    technical = json.dumps(probe)
    connection.execute(
        "INSERT INTO source_objects (location, path, fingerprint, size, modified_at) VALUES (%s, %s, %s, %s, %s)",
        ("s3://peer", path, etag, size, modified),
    )
    connection.execute(
        "INSERT INTO run_files (run_id, path, size, fingerprint, modified_at, state, media_id, bytes_read) "
        "VALUES ('peer', %s, %s, %s, %s, 'imported', %s, %s)",
        (path, size, etag, modified, media, read),
    )
    connection.execute(
        "INSERT INTO media (media_id, index_id, location, path, fingerprint, kind, title, content_type, container, size, "
        "duration_seconds, width, height, video_codec, sample_rate, technical, run_id) "
        "VALUES (%s, 'peer', 's3://peer', %s, %s, %s, %s, '', %s, %s, %s, %s, %s, %s, %s, %s, 'peer')",
        (
            *(media, path, etag, probe["kind"], path.rpartition("/")[2], probe["container"], size),
            *(probe["duration"], probe["width"], probe["height"], probe["codec"], probe["sample_rate"], technical),
        ),
    )
    connection.execute(
        "INSERT INTO events (type, namespace, index_id, run_id, media_id, data) "
        "VALUES ('media.created', 'media', 'peer', 'peer', %s, %s)",
        (media, technical),
    )
    connection.commit()


async def create_run(servers: Servers) -> None:
    source = {"provider": "s3", "bucket": BUCKET, "region": "us-east-1", "endpoint": servers.endpoint}
    async with PostgresCatalog(servers.dsn) as catalog:
        spec = RunSpec(RUN, "media", "benchmark", INDEX, "conn_1", f"s3://{BUCKET}", source)
        await catalog.admit_run(spec)


def count_rows(servers: Servers, index: str) -> tuple[int, int]:
    """(media, rows of all kinds) that an import has written."""
    run = RUN if index == INDEX else "peer"
    with psycopg.connect(servers.dsn) as connection:
        row = connection.execute(
            "SELECT media, media + (SELECT count(*) FROM run_files WHERE run_id = %(run)s) "
            "+ (SELECT count(*) FROM events WHERE run_id = %(run)s) "
            "+ (SELECT count(*) FROM source_objects WHERE (location = 's3://peer') = (%(run)s = 'peer')) "
            "FROM (SELECT count(*) AS media FROM media WHERE index_id = %(index)s) AS counted",
            {"run": run, "index": index},
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def measure(work: Callable[[], None], who: int) -> tuple[float, float]:
    """(seconds, CPU seconds of this process or of its children)."""
    started, before = time.perf_counter(), resource.getrusage(who)
    work()
    after = resource.getrusage(who)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def run_workers(servers: Servers, credentials: Path, workers: int) -> None:
    """The product's own program, once a pod; pods start cold, so their start counts too."""
    environment = {
        **os.environ,
        "VIDEOVECTOR_CATALOG_DSN": servers.dsn,
        "VIDEOVECTOR_CREDENTIALS_DIRECTORY": str(credentials),
        "VIDEOVECTOR_LOG_LEVEL": "WARNING",
        "VIDEOVECTOR_ALLOW_LOOPBACK_ENDPOINTS": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [sys.executable, "-m", "videovector_operator", "worker", "import", "--run", RUN]
    pods = [
        subprocess.Popen(command, env={**environment, "VIDEOVECTOR_WORKER_NAME": f"worker-{number}"})
        for number in range(workers)
    ]
    codes = [pod.wait(timeout=WORKER_TIMEOUT_SECONDS) for pod in pods]
    assert not any(codes), codes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--peer-files", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    peer_files = min(options.files, options.peer_files)
    with running_servers() as servers:
        credentials = Path(f".cache/benchmark-credentials-{os.getpid()}")
        credentials.mkdir(parents=True)
        (credentials / "accessKeyId").write_text(servers.access_key)
        (credentials / "secretAccessKey").write_text(servers.secret_key)
        try:
            print(f"uploading {options.files:,} files …", flush=True)
            upload(servers, options.files)
            asyncio.run(create_run(servers))
            ours = measure(lambda: run_workers(servers, credentials, options.workers), resource.RUSAGE_CHILDREN)
            peer = measure(lambda: import_with_peer(servers, peer_files), resource.RUSAGE_SELF)
            report(f"ours, {options.workers} worker(s)", ours, options.files, count_rows(servers, INDEX))
            report("plain loop (boto3, PyAV)", peer, peer_files, count_rows(servers, "peer"))
            ratio = options.files / ours[0] * peer[0] / peer_files
            print(f"{'ratio':26}{ratio:8.1f} (claim: at least {TARGET_RATIO:.0f})")
        finally:
            for file in credentials.iterdir():
                file.unlink()
            credentials.rmdir()


def report(name: str, spent: tuple[float, float], files: int, counted: tuple[int, int]) -> None:
    (seconds, cpu), (media, rows) = spent, counted
    assert media == files, (name, media, files)
    print(
        f"{name:26}{files / seconds:8,.0f} files/s {rows / seconds:8,.0f} catalog rows/s {cpu / files * 1e3:6.2f} ms of CPU a file ({files:,} files)"
    )


if __name__ == "__main__":
    main()
