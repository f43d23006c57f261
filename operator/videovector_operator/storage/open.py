"""Opens the right provider for a source; the only place that knows which file implements which provider.

Providers are imported when first used, so that a cluster with S3 Connectors never pays for another provider's SDK.
"""

from __future__ import annotations

from videovector_operator.storage.port import Source, Storage


def open_storage(source: Source, *, timeout_seconds: float | None = None) -> Storage:
    """Open ``source``; no request is made yet. ``timeout_seconds`` bounds one call with all its tries."""
    from videovector_operator.storage.s3 import S3Storage
    from videovector_operator.storage.s3_http import Limits

    return S3Storage(source, Limits() if timeout_seconds is None else Limits(total=timeout_seconds))
