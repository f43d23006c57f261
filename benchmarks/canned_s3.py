"""Canned answers of S3: ListObjectsV2 (pages of 1,000 keys) and a ranged GET of the same 64 KiB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.canned import Choose, answer, canned

PAGE_KEYS = 1000
RANGE_BYTES = 64 * 1024
_TOKEN = re.compile(rb"continuation-token=(\d+)")
_OBJECT = (
    "<Contents><Key>videos/2026/camera-{page:04}/clip%2B{number:06}%20take.mp4</Key>"
    "<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>"
    "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
    "<Size>1048576</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def _build_page(page: int, pages: int) -> bytes:
    entries = "".join(_OBJECT.format(page=page, number=number) for number in range(PAGE_KEYS))
    last = page == pages - 1
    more = "" if last else f"<NextContinuationToken>{page + 1}</NextContinuationToken>"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>media</Name><Prefix></Prefix><MaxKeys>{PAGE_KEYS}</MaxKeys><EncodingType>url</EncodingType>"
        f"<KeyCount>{PAGE_KEYS}</KeyCount><IsTruncated>{'false' if last else 'true'}</IsTruncated>{more}{entries}"
        "</ListBucketResult>"
    ).encode()
    return answer(body)


def build_answers(pages: int) -> Choose:
    """Render the pages, and the part that every other request gets."""
    rendered = [_build_page(page, pages) for page in range(pages)]
    part = (
        b'HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\nETag: "e"\r\n'
        b"Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\nAccept-Ranges: bytes\r\n"
        b"Content-Range: bytes 0-%d/1048576\r\nContent-Length: %d\r\n\r\n%s"
    ) % (RANGE_BYTES - 1, RANGE_BYTES, bytes(RANGE_BYTES))

    def choose(line: bytes) -> bytes:
        if b"list-type=2" not in line:
            return part
        token = _TOKEN.search(line)
        return rendered[int(token[1]) if token else 0]

    return choose


@contextmanager
def canned_s3(pages: int) -> Iterator[str]:
    """Run the server; gives its endpoint."""
    with canned(build_answers, pages) as endpoint:
        yield endpoint
