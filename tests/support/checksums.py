"""Checksums as object stores name them, computed here: what a server vouches for is compared with them.

None of this is the product's, which computes none of its own accord but what a request needs.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable

import google_crc32c

_CRC64NVME = 0x9A6C9329AC4BC9B5
"""The polynomial, its bits reversed: bytes are taken from the lowest bit on."""
_ALL_ONES = (1 << 64) - 1


def _table_entry(index: int) -> int:
    for _ in range(8):
        index = (index >> 1) ^ (_CRC64NVME if index & 1 else 0)
    return index


_TABLE = [_table_entry(index) for index in range(256)]


def crc64nvme(data: bytes) -> bytes:
    """CRC-64/NVME. Slow: a second for 10 MiB or so."""
    table, value = _TABLE, _ALL_ONES
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return (value ^ _ALL_ONES).to_bytes(8, "big")


_ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: google_crc32c.value(data).to_bytes(4, "big"),
    "crc64nvme": crc64nvme,
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


def checksum_of(algorithm: str, data: bytes) -> str:
    """Compute what `ObjectInfo.checksum` says of these bytes; "" of the algorithm "", which is none."""
    return f"{algorithm}:{b64encode(_ALGORITHMS[algorithm](data)).decode()}" if algorithm else ""
