"""A canned S3 server in a process of its own: constant answers at almost no cost, so that what is measured is the client.

It knows two requests: ListObjectsV2 (pages of 1,000 keys) and a ranged GET of the same 64 KiB. Signatures are not checked.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import override
else:

    def override(method: Callable[..., object]) -> Callable[..., object]:
        """Stand in for typing.override, which Python 3.11 has not yet; only the type checker uses it."""
        return method


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
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class _Canned(asyncio.Protocol):
    def __init__(self, pages: list[bytes], part: bytes) -> None:
        self._pages = pages
        self._part = part
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._pending += data
        while b"\r\n\r\n" in self._pending:
            head, self._pending = self._pending.split(b"\r\n\r\n", 1)
            line = head.split(b"\r\n", 1)[0]
            if b"list-type=2" in line:
                token = _TOKEN.search(line)
                self._transport.write(self._pages[int(token[1]) if token else 0])
            else:
                self._transport.write(self._part)


async def _serve(pages: int, ready: Connection) -> None:
    rendered = [_build_page(page, pages) for page in range(pages)]
    part = (
        b'HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\nETag: "e"\r\n'
        b"Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\nAccept-Ranges: bytes\r\n"
        b"Content-Range: bytes 0-%d/1048576\r\nContent-Length: %d\r\n\r\n%s"
    ) % (RANGE_BYTES - 1, RANGE_BYTES, bytes(RANGE_BYTES))
    server = await asyncio.get_running_loop().create_server(lambda: _Canned(rendered, part), "127.0.0.1", 0)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(pages: int, ready: Connection) -> None:
    asyncio.run(_serve(pages, ready))


@contextmanager
def canned_s3(pages: int) -> Iterator[str]:
    """Run the server; gives its endpoint."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(pages, theirs))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()
