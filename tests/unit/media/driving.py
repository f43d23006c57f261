"""Drives a probe as the import worker does: fetch what it asks for, probe again."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def ffprobe(path: Path) -> Any:
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
