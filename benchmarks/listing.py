"""Claim: listing a bucket costs at least 5 times less CPU than boto3's paginator.

Both list the same canned pages in one run; keys per second of client CPU and of wall time, and the ratio, are printed.
Run: PYTHONPATH=operator python -m benchmarks.listing [--pages 100]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable

from benchmarks.canned_s3 import PAGE_KEYS, canned_s3
from tools.testservers.clients import s3_client_of
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.port import S3Source, StaticCredentials, StorageOptions
from videovector_operator.storage.s3 import S3Storage

LOCAL = StorageOptions(endpoints=EndpointPolicy(allow_loopback=True))


def list_with_ours(endpoint: str) -> int:
    async def run() -> int:
        storage = S3Storage(S3Source("media", "us-east-1", endpoint, True, StaticCredentials("id", "secret")), LOCAL)
        count = 0
        async for page in storage.list_pages():
            count += len(page.objects)
        await storage.close()
        return count

    return asyncio.run(run())


def list_with_boto3(endpoint: str) -> int:
    client = s3_client_of(endpoint, "id", "secret")
    count = 0
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="media"):
        count += len([(each["Key"], each["Size"], each["ETag"], each["LastModified"]) for each in page["Contents"]])
    return count


def measure(name: str, run: Callable[[str], int], endpoint: str, expected: int) -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    count = run(endpoint)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert count == expected, f"{name} listed {count} keys, not {expected}"
    print(f"{name:8} {count / cpu:12,.0f} keys per CPU-second {count / wall:12,.0f} keys per second")
    return count / cpu


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=100)
    pages = parser.parse_args().pages
    with canned_s3(pages) as endpoint:
        list_with_boto3(endpoint)
        ours = measure("ours", list_with_ours, endpoint, pages * PAGE_KEYS)
        theirs = measure("boto3", list_with_boto3, endpoint, pages * PAGE_KEYS)
    print(f"ratio    {ours / theirs:12.1f} (per CPU-second)")


if __name__ == "__main__":
    main()
