"""The checksums that servers' ones are compared with, against the known answers of their definitions."""

from __future__ import annotations

import base64

import pytest

from tests.support.checksums import checksum_of

KNOWN = {
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "crc64nvme": "ae8b14860a799888",
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}


@pytest.mark.parametrize("algorithm", KNOWN)
def test_known_answers(algorithm: str) -> None:
    name, _, value = checksum_of(algorithm, b"123456789").partition(":")
    assert (name, base64.b64decode(value).hex()) == (algorithm, KNOWN[algorithm])


def test_no_algorithm_has_no_checksum() -> None:
    assert checksum_of("", b"123456789") == ""
