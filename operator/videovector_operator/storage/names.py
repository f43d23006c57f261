"""Finds the addresses of storage servers' names by the system's resolver, without letting one name hold up the others.

The system's look-up blocks, cannot be ended, and takes a minute where a name server does not answer. So it gets threads of its
own, never the loop's, and one a name, however many ask for it. Which addresses may be dialled is `endpoint_policy`'s.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

_MOST = 64
"""Look-ups at the same time: as many as there are names that nobody answers for."""
_SECONDS = 5.0
Lookup = Callable[[str], Sequence[str]]


class SystemNames:
    """The system's resolver as a `NameService`. ``lookup`` blocks and raises OSError."""

    def __init__(self, lookup: Lookup, *, most: int = _MOST, seconds: float = _SECONDS) -> None:
        self._lookup = lookup
        self._most = most
        self._seconds = seconds
        self._pending: dict[str, Future[Sequence[str]]] = {}
        self._lock = threading.Lock()

    async def resolve(self, host: str) -> Sequence[str]:
        """Return literal IP addresses. Raises OSError: no such name, no answer within 5 s, or too many names without one."""
        future = self._begin(host)
        try:
            async with asyncio.timeout(self._seconds):
                # Others may wait for the same look-up: it is not cancelled with whoever gave up.
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, f"no name server answered within {self._seconds:g} s") from None

    def _begin(self, host: str) -> Future[Sequence[str]]:
        with self._lock:
            pending = self._pending.get(host)
            if pending is not None:
                return pending
            if len(self._pending) >= self._most:
                raise socket.gaierror(socket.EAI_AGAIN, "too many names wait for a name server")
            future = self._pending[host] = Future()
        # Not of a pool, whose threads the end of the process would wait for.
        threading.Thread(target=self._run, args=(host, future), name="storage-name", daemon=True).start()
        return future

    def _run(self, host: str, future: Future[Sequence[str]]) -> None:
        try:
            found = self._lookup(host)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for those who wait
            outcome: Callable[[], None] = functools.partial(future.set_exception, error)
        else:
            outcome = functools.partial(future.set_result, found)
        with self._lock:
            del self._pending[host]
        outcome()


@functools.cache
def system_names() -> SystemNames:
    """The process's one; it serves every loop."""
    return SystemNames(_ask_system)


def _ask_system(host: str) -> Sequence[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
