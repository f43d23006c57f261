"""Waiting: growing pauses, and an end."""

from __future__ import annotations

import pytest

from videovector_operator.errors import CatalogUnavailable
from videovector_operator.imports.patience import Backoff, Patience


def test_pauses_double_up_to_the_longest_and_begin_anew() -> None:
    backoff = Backoff(lambda: 1.0, first=1.0, longest=5.0)
    assert [backoff.next_pause() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next_pause() == 1.0


def test_jitter_halves_a_pause_at_most() -> None:
    assert Backoff(lambda: 0.0, first=1.0).next_pause() == 0.5


async def test_a_call_is_repeated_until_it_succeeds() -> None:
    left = 2

    async def call() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise CatalogUnavailable("away")
        return "done"

    assert await Patience(10.0, lambda: 0.0).call(call) == "done"


async def test_patience_ends_with_the_catalogs_own_words() -> None:
    async def call() -> None:
        raise CatalogUnavailable("PostgreSQL at db:5432 is away")

    with pytest.raises(CatalogUnavailable, match="db:5432"):
        await Patience(0.3, lambda: 0.0).call(call)
