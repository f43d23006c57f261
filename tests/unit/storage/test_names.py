"""Names of storage servers: nobody waits for somebody else's name server."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence

import pytest

from videovector_operator.storage.names import SystemNames, system_names


class Lookup:
    """Answers every name at once but those that begin with "slow", which wait for ``release``."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.release.wait(30)
        if host == "absent":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ["10.0.0.8"]


async def test_a_name_that_nobody_answers_for_holds_up_no_other() -> None:
    lookup = Lookup()
    names = SystemNames(lookup, most=8, seconds=30)
    slow = [asyncio.ensure_future(names.resolve(f"slow-{number}")) for number in range(7)]
    assert await names.resolve("quick") == ["10.0.0.8"]
    assert not any(each.done() for each in slow)
    lookup.release.set()
    assert await asyncio.gather(*slow) == [["10.0.0.8"]] * 7


async def test_a_name_server_that_does_not_answer_is_not_waited_for() -> None:
    lookup = Lookup()
    with pytest.raises(socket.gaierror, match=r"no name server answered within 0\.05 s"):
        await SystemNames(lookup, seconds=0.05).resolve("slow")
    lookup.release.set()


async def test_a_name_has_one_look_up_however_many_ask_and_give_up() -> None:
    lookup = Lookup()
    names = SystemNames(lookup, seconds=0.1)
    for _ in range(3):
        with pytest.raises(socket.gaierror):
            await asyncio.gather(*(names.resolve("slow") for _ in range(5)))
    async with asyncio.timeout(30):
        while not lookup.asked:
            await asyncio.sleep(0.01)
    assert lookup.asked == ["slow"]
    patient = SystemNames(lookup, seconds=10)
    waiting = [asyncio.ensure_future(patient.resolve("slow")) for _ in range(5)]
    await asyncio.sleep(0.05)
    waiting[0].cancel()
    lookup.release.set()
    assert await asyncio.gather(*waiting[1:]) == [["10.0.0.8"]] * 4
    assert lookup.asked == ["slow", "slow"]


async def test_too_many_names_without_an_answer_are_refused_and_make_room_again() -> None:
    lookup = Lookup()
    names = SystemNames(lookup, most=2, seconds=0.05)
    for host in ("slow-1", "slow-2"):
        with pytest.raises(socket.gaierror, match="within"):
            await names.resolve(host)
    with pytest.raises(socket.gaierror, match="too many names"):
        await names.resolve("quick")
    lookup.release.set()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await names.resolve("quick") == ["10.0.0.8"]
                break
            except socket.gaierror:
                await asyncio.sleep(0.01)


async def test_a_name_that_is_not_there_says_so_each_time() -> None:
    names = SystemNames(Lookup())
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="not known"):
            await names.resolve("absent")


async def test_the_system_reads_addresses_and_names() -> None:
    assert await system_names().resolve("10.0.0.8") == ["10.0.0.8"]
    assert "127.0.0.1" in await system_names().resolve("localhost")
