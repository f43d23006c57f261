"""Drives a probe as the import worker does: fetch what it asks for, probe again."""

from __future__ import annotations

from dataclasses import dataclass

from videovector_operator.media.facts import Probe
from videovector_operator.media.probe import probe_media
from videovector_operator.media.reader import MissingBytes, PartialObject

HEAD = 64 * 1024
MAX_READS = 64


@dataclass(frozen=True, slots=True)
class Driven:
    probe: Probe
    reads: int
    bytes_read: int


def drive(data: bytes, key: str, *, head: int = HEAD) -> Driven:
    content = PartialObject(len(data), data[:head])
    for reads in range(1, MAX_READS):
        try:
            return Driven(probe_media(content, key), reads, content.bytes_read)
        except MissingBytes as missing:
            asked = missing
        assert 0 <= asked.start < asked.start + asked.length <= len(data)
        content.add(asked.start, data[asked.start : asked.start + asked.length])
    raise AssertionError(f"{key}: no end after {MAX_READS} reads")
