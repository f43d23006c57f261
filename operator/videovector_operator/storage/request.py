"""One request to an object store and its reply, as plain values. No provider's semantics may enter."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
"""Payload hash of a request without a body."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` is encoded and relative to what the provider's dialect calls its base (S3, Azure: the bucket or
    container); ``action`` is for messages.

    ``skip`` and ``keep`` bound the body that is read: bytes before ``skip`` are dropped when the server ignores the
    range (status 200), and no more than ``keep`` bytes are kept. ``attempts`` None = as `Limits` says.
    ``lean`` requests (GET only) take the transport made for very many small replies. ``extra_seconds`` come on top of the
    usual total, for the bytes that the request moves (see `transfer_seconds`) or the work that it is. With ``patience`` the server
    may be silent so many times longer than usual, because it works; the lean transport has none.
    """

    method: str
    action: str
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    body_sha256: str = EMPTY_SHA256
    skip: int = 0
    keep: int = 1024 * 1024
    attempts: int | None = None
    accepted: tuple[int, ...] = (200,)
    lean: bool = False
    extra_seconds: float = 0.0
    patience: float = 1.0


def transfer_seconds(size: int) -> float:
    """Extra seconds for moving ``size`` bytes to, from or within a server: whoever is slower than 256 KiB/s has a fault."""
    return size / (256 * 1024)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. ``headers`` find lowercase names; ``body`` is complete, or cut at the request's ``keep``."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
