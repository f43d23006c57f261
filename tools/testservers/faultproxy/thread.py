"""The proxy in a thread of the test's own process, so that it serves while the test's event loop waits or is none."""

import asyncio
import ssl
import threading
from types import TracebackType
from typing import Self

from .effects import Effect, Fault
from .proxy import Proxy
from .record import Seen, peak_rate

_START_SECONDS = 10.0


class FaultProxy:
    """A context manager; every method may be called from any thread."""

    def __init__(
        self,
        upstream: str,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._proxy = Proxy(upstream, port=port, tls=tls, trust=trust)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        """For clients."""
        return self._proxy.endpoint

    def inject(
        self, effect: Effect, *, methods: str = ".*", target: str = "", times: int | None = 1, skip: int = 0
    ) -> None:
        """Let the effect happen to the next ``times`` requests (None: until cleared) after ``skip`` ones that match.

        ``methods`` is a regular expression for the whole method, ``target`` one for some part of the raw target.
        """
        self._proxy.faults.append(Fault(effect, methods, target, times, skip))

    def clear(self) -> None:
        """Take all faults back; what they are doing to open requests goes on."""
        self._proxy.faults = []

    def requests(self, methods: str = ".*", target: str = "") -> list[Seen]:
        """Answer what has come so far and matches, oldest first."""
        chosen = Fault(Effect(""), methods, target, None)
        return [seen for seen in self._proxy.record.requests() if chosen.takes(seen.method, seen.target)]

    def forget(self) -> None:
        """Begin the record anew."""
        self._proxy.record.clear()

    def peak_rate(self, seconds: float = 1.0) -> float:
        """Answer the most requests a second over any span of that length."""
        return peak_rate(self.requests(), seconds)

    @property
    def most_at_once(self) -> int:
        """The most requests that were open at one moment."""
        return self._proxy.record.most_at_once

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._proxy.start(), self._loop).result(_START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.stop(), self._loop).result(_START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)
        self._loop.close()
