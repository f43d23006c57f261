"""Probing in batches: order, isolation of faults, time limit."""

from __future__ import annotations

import asyncio
import threading

import pytest

from videovector_operator.core.media_types import MediaKind
from videovector_operator.errors import MediaError
from videovector_operator.imports.probing import ProbeThreads
from videovector_operator.media.facts import Probe
from videovector_operator.media.reader import MissingBytes, PartialObject


def probe(content: PartialObject, key: str, *, timeout_seconds: float) -> Probe:
    if key == "odd":
        raise RuntimeError("a fault of ours, with details that are nobody's business")
    if key == "missing":
        raise MissingBytes(5, 10)
    return Probe(MediaKind.IMAGE, "image/png", key)


async def test_each_file_gets_its_own_answer() -> None:
    probes = ProbeThreads(1, 60.0, batch=3, probe=probe)
    keys = [f"file-{number}" for number in range(20)]
    found = await asyncio.gather(*(probes.probe(PartialObject(1), key) for key in keys))
    assert [answer.container for answer in found] == keys
    probes.close()


async def test_one_files_fault_is_not_anothers() -> None:
    probes = ProbeThreads(1, 60.0, probe=probe)
    keys = ("good", "odd", "missing", "fine")
    good, odd, missing, fine = await asyncio.gather(
        *(probes.probe(PartialObject(1), key) for key in keys), return_exceptions=True
    )
    assert isinstance(good, Probe)
    assert isinstance(fine, Probe)
    assert isinstance(missing, MissingBytes)
    assert isinstance(odd, MediaError)
    assert "RuntimeError" in odd.message
    assert "details" not in odd.message
    probes.close()


async def test_a_stuck_probe_fails_its_file_only() -> None:
    released = threading.Event()

    def hang(content: PartialObject, key: str, *, timeout_seconds: float) -> Probe:
        if key == "stuck":
            released.wait(60)
        return probe(content, key, timeout_seconds=timeout_seconds)

    probes = ProbeThreads(1, 3.0, probe=hang)
    keys = ("good", "stuck", "fine")
    try:
        good, stuck, fine = await asyncio.gather(
            *(probes.probe(PartialObject(1), key) for key in keys), return_exceptions=True
        )
    finally:
        released.set()
    assert isinstance(good, Probe)
    assert isinstance(fine, Probe)
    with pytest.raises(MediaError, match="could not be read within"):
        raise stuck if isinstance(stuck, BaseException) else AssertionError
    probes.close()


async def test_threads_are_few() -> None:
    seen: set[str] = set()

    def watch(content: PartialObject, key: str, *, timeout_seconds: float) -> Probe:
        seen.add(threading.current_thread().name)
        return probe(content, key, timeout_seconds=timeout_seconds)

    probes = ProbeThreads(2, 60.0, batch=2, probe=watch)
    await asyncio.gather(*(probes.probe(PartialObject(1), "a") for _ in range(100)))
    assert 1 <= len(seen) <= 2
    probes.close()
