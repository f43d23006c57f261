"""Storage on this machine's loopback, which the operator refuses unless its settings allow it: tests allow it here."""

from __future__ import annotations

from dataclasses import replace

from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.port import Pace, Source, Storage, StorageOptions

LOCAL = StorageOptions(endpoints=EndpointPolicy(allow_loopback=True))


def open_local(source: Source, pace: Pace | None = None) -> Storage:
    """Open ``source`` as the product does, loopback or not."""
    return open_storage(source, replace(LOCAL, pace=pace))
