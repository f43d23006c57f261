"""One S3 request and its reply, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from videovector_operator.storage.s3_sign import EMPTY_SHA256


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the bucket. ``path`` is encoded and relative to the bucket ("" or "/key"); ``action`` is for messages.

    ``skip`` and ``keep`` bound the body that is read: bytes before ``skip`` are dropped when the server ignores the
    range (status 200), and no more than ``keep`` bytes are kept. ``attempts`` None = as `Limits` says.
    ``lean`` requests (GET only) take the transport made for very many small replies.
    """

    method: str
    action: str
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    body_sha256: str = EMPTY_SHA256
    skip: int = 0
    keep: int = 16 * 1024 * 1024
    attempts: int | None = None
    accepted: tuple[int, ...] = (200,)
    lean: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. ``headers`` find lowercase names; ``body`` is complete, or cut at the request's ``keep``."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
