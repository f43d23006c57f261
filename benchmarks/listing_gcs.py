"""Claim: listing a bucket costs at least 3 times less CPU than google-cloud-storage's list_blobs, and at least half when that asks for
no more fields than ours.

All list the same canned pages in one run; keys per second of client CPU and of wall time, and the ratio, are printed. As Google
does, the server leaves out what ``fields`` does not name, and the line breaks that no client here asks for.
Run: PYTHONPATH=operator python -m benchmarks.listing_gcs [--pages 100]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import functools
import json
import re
from collections.abc import Callable

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from benchmarks.canned import Choose, answer, canned
from benchmarks.listing import LOCAL, measure
from tools.testservers.gcs_accounts import make_account
from videovector_operator.core.sources import GcsServiceAccount
from videovector_operator.storage.gcs import GcsStorage
from videovector_operator.storage.port import GcsSource

PAGE_KEYS = 1000
FIELDS = "items(name,size,generation,timeCreated,storageClass,contentType,crc32c),nextPageToken"
_TOKEN = re.compile(rb"pageToken=(\w+)")


def build_answers(pages: int) -> Choose:
    """Render the pages of objects.list, in full and as ``fields`` cuts them."""
    full = [_build_page(page, pages, _describe) for page in range(pages)]
    slim = [_build_page(page, pages, _describe_shortly) for page in range(pages)]

    def choose(line: bytes) -> bytes:
        token = _TOKEN.search(line)
        return (slim if b"fields=" in line else full)[int(token[1]) if token else 0]

    return choose


def _build_page(page: int, pages: int, describe: Callable[[str], dict[str, str]]) -> bytes:
    names = (f"videos/2026/camera-{page:04}/clip {number:06} take.mp4" for number in range(PAGE_KEYS))
    more = {} if page == pages - 1 else {"nextPageToken": str(page + 1)}
    content = {"kind": "storage#objects", **more, "items": [describe(name) for name in names]}
    return answer(json.dumps(content, separators=(",", ":")).encode(), b"application/json; charset=UTF-8")


def _describe_shortly(name: str) -> dict[str, str]:
    return {
        "name": name,
        "generation": "1767323045678901",
        "contentType": "video/mp4",
        "storageClass": "STANDARD",
        "size": "1048576",
        "crc32c": "AAAAAA==",
        "timeCreated": "2026-01-02T03:04:05.678Z",
    }


def _describe(name: str) -> dict[str, str]:
    link = "https://www.googleapis.com/storage/v1/b/media/o/videos"
    return {
        **_describe_shortly(name),
        "kind": "storage#object",
        "id": f"media/{name}/1767323045678901",
        "selfLink": link,
        "mediaLink": f"{link}?generation=1767323045678901&alt=media",
        "bucket": "media",
        "metageneration": "1",
        "md5Hash": base64.b64encode(bytes(16)).decode(),
        "etag": "CJW2xpXg6JIDEAE=",
        "updated": "2026-01-02T03:04:05.678Z",
        "timeStorageClassUpdated": "2026-01-02T03:04:05.678Z",
        "timeFinalized": "2026-01-02T03:04:05.678Z",
    }


@functools.cache
def build_key() -> GcsServiceAccount:
    account = make_account("reader", "project")[0]
    return GcsServiceAccount(account.email, account.key_id, account.private_key)


def list_with_ours(endpoint: str) -> int:
    async def run() -> int:
        opened = GcsStorage(GcsSource("media", "project", endpoint, build_key()), LOCAL)
        count = 0
        async for page in opened.list_pages():
            count += len(page.objects)
        await opened.close()
        return count

    return asyncio.run(run())


def list_with_sdk(endpoint: str, **options: str) -> int:
    client = storage.Client(
        project="project",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # google-auth's
        client_options={"api_endpoint": endpoint},
    )
    blobs = client.list_blobs("media", **options)
    return len([(blob.name, blob.size, blob.generation, blob.time_created, blob.crc32c) for blob in blobs])


def list_with_lean_sdk(endpoint: str) -> int:
    return list_with_sdk(endpoint, fields=FIELDS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=100)
    pages = parser.parse_args().pages
    with canned(build_answers, pages) as endpoint:
        for once in (list_with_ours, list_with_lean_sdk):
            once(endpoint)
        ours = measure("ours", list_with_ours, endpoint, pages * PAGE_KEYS)
        plain = measure("SDK", list_with_sdk, endpoint, pages * PAGE_KEYS)
        lean = measure("SDK lean", list_with_lean_sdk, endpoint, pages * PAGE_KEYS)
    print(f"ratio    {ours / lean:12.1f} (per CPU-second; {ours / plain:.1f} to the SDK without fields)")


if __name__ == "__main__":
    main()
