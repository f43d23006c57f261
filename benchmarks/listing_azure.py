"""Claim: listing a container costs at least 5 times less CPU than azure-storage-blob's list_blobs.

Both list the same canned pages of 5,000 names in one run; keys per second of client CPU and of wall time, and the ratio, are printed.
Run: PYTHONPATH=operator python -m benchmarks.listing_azure [--pages 20]
"""

from __future__ import annotations

import argparse
import asyncio
import re

from azure.storage.blob import ContainerClient

from benchmarks.canned import Choose, answer, canned
from benchmarks.listing import LOCAL, measure
from videovector_operator.core.sources import AzureAccountKey
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.port import AzureSource

PAGE_KEYS = 5000
ACCOUNT = "media"
KEY = "c2VjcmV0IGtleSB3aXRoIHNvbWUgYnl0ZXM="
_MARKER = re.compile(rb"marker=(\d+)")
_BLOB = (
    "<Blob><Name>videos/2026/camera-{page:04}/clip {number:06} take.mp4</Name><Properties>"
    "<Creation-Time>Fri, 02 Jan 2026 03:04:05 GMT</Creation-Time><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified>"
    "<Etag>0x8DE4A1B2C3D4E5F</Etag><Content-Length>1048576</Content-Length><Content-Type>video/mp4</Content-Type>"
    "<Content-Encoding/><Content-Language/><Content-CRC64/><Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5>"
    "<Cache-Control/><Content-Disposition/><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>"
    "<AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
    "<ServerEncrypted>true</ServerEncrypted></Properties><OrMetadata/></Blob>"
)


def build_answers(pages: int) -> Choose:
    """Render the pages of List Blobs as Azure has them."""
    rendered = [answer(_build_page(page, pages)) for page in range(pages)]

    def choose(line: bytes) -> bytes:
        marker = _MARKER.search(line)
        return rendered[int(marker[1]) if marker else 0]

    return choose


def _build_page(page: int, pages: int) -> bytes:
    entries = "".join(_BLOB.format(page=page, number=number) for number in range(PAGE_KEYS))
    marker = "" if page == pages - 1 else str(page + 1)
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://media/" ContainerName="media">'
        f"<MaxResults>{PAGE_KEYS}</MaxResults><Blobs>{entries}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
    ).encode()


def list_with_ours(endpoint: str) -> int:
    async def run() -> int:
        source = AzureSource(ACCOUNT, "media", f"{endpoint}/{ACCOUNT}", credentials=AzureAccountKey(KEY))
        storage = AzureStorage(source, LOCAL)
        count = 0
        async for page in storage.list_pages(page_size=PAGE_KEYS):
            count += len(page.objects)
        await storage.close()
        return count

    return asyncio.run(run())


def list_with_sdk(endpoint: str) -> int:
    key = {"account_name": ACCOUNT, "account_key": KEY}
    client = ContainerClient(f"{endpoint}/{ACCOUNT}", "media", credential=key)
    blobs = client.list_blobs(results_per_page=PAGE_KEYS)
    return len([(blob.name, blob.size, blob.etag, blob.last_modified) for blob in blobs])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=20)
    pages = parser.parse_args().pages
    with canned(build_answers, pages) as endpoint:
        ours = measure("ours", list_with_ours, endpoint, pages * PAGE_KEYS)
        theirs = measure("SDK", list_with_sdk, endpoint, pages * PAGE_KEYS)
    print(f"ratio    {ours / theirs:12.1f} (per CPU-second)")


if __name__ == "__main__":
    main()
