"""Opens the right provider for a source; the only place that knows which file implements which provider.

Providers are imported when first used, so that a cluster with S3 Connectors never pays for another provider's SDK.
"""

from __future__ import annotations

from typing import assert_never

from videovector_operator.storage.port import AzureSource, GcsSource, S3Source, Source, Storage, StorageOptions


def open_storage(source: Source, options: StorageOptions | None = None) -> Storage:
    """Open ``source``; no request is made yet."""
    chosen = options or StorageOptions()
    match source:
        case S3Source():
            from videovector_operator.storage.s3 import S3Storage

            return S3Storage(source, chosen)
        case GcsSource():
            from videovector_operator.storage.gcs import GcsStorage

            return GcsStorage(source, chosen)
        case AzureSource():
            from videovector_operator.storage.azure import AzureStorage

            return AzureStorage(source, chosen)
        case _:
            assert_never(source)
