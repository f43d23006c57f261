"""What every storage takes from outside beside its source: limits, time, chance. Tests and benchmarks give their own.

No provider's semantics may enter.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from videovector_operator.storage.exchange import Dialect, Exchange, Limits
from videovector_operator.storage.port import StorageOptions
from videovector_operator.storage.transport import Place


def _now() -> datetime:
    return datetime.now(UTC)


def _make_mark() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``clock`` gives aware UTC time, ``jitter`` numbers in [0, 1), ``make_mark`` a unique word; ``sleep`` waits seconds."""

    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], datetime] = _now
    jitter: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    make_mark: Callable[[], str] = _make_mark

    def open_exchange(self, place: Place, dialect: Dialect, options: StorageOptions, ca_bundle: str | None) -> Exchange:
        """Open a store's connections; must be called on a running loop. Raises Invalid (CA bundle)."""
        return Exchange(place, dialect, self.limits, options, ca_bundle, jitter=self.jitter, sleep=self.sleep)
