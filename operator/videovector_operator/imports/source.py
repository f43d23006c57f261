"""The run's source, opened: where the files are (from the run's spec) and as whom they are read (from the mounted Secret).

The one place that tells a file's trouble from the source's: while nothing of the source can be read, readers wait here,
and no file fails for it. Credentials are read again from the directory when they are refused, so that a rotated Secret
needs no restart. Secrets stay inside `StaticCredentials`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from videovector_operator.core.records import JsonValue
from videovector_operator.errors import AccessDenied, InvalidCredentials, StorageError, Throttled, Unavailable
from videovector_operator.imports.patience import Backoff
from videovector_operator.imports.problems import SourceOutage, SourceUnusable, is_source_gone
from videovector_operator.imports.settings import ImportSettings
from videovector_operator.storage.port import ListPage, S3Source, Source, StaticCredentials, Storage

_log = structlog.get_logger(__name__)
_SECRET_LIMIT_BYTES = 64 * 1024
_CREDENTIALS_POLL_SECONDS = 1.0
_PROOF_READS = 100
"""Answers to others since a refusal, more than could have been on their way: the credentials are good."""
_MOST_THROTTLES = 60
"""Of one file's reads; each waits as long as the store asks."""


def parse_source(spec: Mapping[str, JsonValue]) -> S3Source:
    """Read the provider's block of a run's spec. Raises SourceUnusable when this version does not know it."""
    provider = spec.get("provider", "s3")
    bucket, region, endpoint = spec.get("bucket"), spec.get("region"), spec.get("endpoint")
    if provider != "s3" or not isinstance(bucket, str) or not isinstance(region, str):
        raise SourceUnusable(
            f"This version of the worker cannot read from provider {provider!r}: upgrade the worker image"
        )
    return S3Source(
        bucket=bucket,
        region=region,
        endpoint=endpoint if isinstance(endpoint, str) and endpoint else None,
        force_path_style=spec.get("forcePathStyle") is True,
    )


def read_credentials(directory: Path) -> StaticCredentials:
    """Read a mounted Secret. Raises SourceUnusable that names the missing key, never a value."""
    values: dict[str, str] = {}
    for name in ("accessKeyId", "secretAccessKey", "sessionToken"):
        try:
            with (directory / name).open("rb") as file:
                values[name] = file.read(_SECRET_LIMIT_BYTES).decode().strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            raise SourceUnusable(f"Key {name} of the Connector's Secret cannot be read as text") from None
    for name in ("accessKeyId", "secretAccessKey"):
        if not values.get(name):
            raise SourceUnusable(f"The Connector's Secret has no key {name}, or it is empty: add it to the Secret")
    return StaticCredentials(values["accessKeyId"], values["secretAccessKey"], values.get("sessionToken") or None)


class Suspicion:
    """Whether it is one file that cannot be read, or its source: counts the file's failures beside answers to others.

    What failed in an outage says nothing about the file, also when the outage is over by now: it begins anew then.
    """

    def __init__(self, settings: ImportSettings, reads: int) -> None:
        self._settings = settings
        self._reads = reads
        self._beside_reads = 0
        self._beside_listings = 0

    def grows(self, reads: int, *, can_be_listed: bool) -> bool:
        """Take in a failure; True = it is the file.

        ``reads`` counts the source's answers to all readers. While there are none, a bucket that can be listed makes a
        file suspect too, only more slowly.
        """
        others_read = reads > self._reads
        self._reads = reads
        self._beside_reads = self._beside_reads + 1 if others_read else 0
        self._beside_listings = self._beside_listings + 1 if others_read or can_be_listed else 0
        settings = self._settings
        return self._beside_reads >= settings.file_attempts or self._beside_listings >= settings.lonely_attempts


class ImportSource:
    """One source for all tasks of a worker. ``credentials_directory`` None = the ambient identity of the process."""

    def __init__(
        self,
        spec: Mapping[str, JsonValue],
        open_storage: Callable[[Source], Storage],
        credentials_directory: Path | None,
        settings: ImportSettings,
        jitter: Callable[[], float],
    ) -> None:
        self._base = parse_source(spec)
        self._open_storage = open_storage
        self._directory = credentials_directory
        self._settings = settings
        self._jitter = jitter
        self._source = self._load()
        self._storage = open_storage(self._source)
        self._renewing = asyncio.Lock()
        self._retired: list[Storage] = []
        self._has_answered = False
        self._reads = 0
        self._trouble_since: float | None = None

    async def close(self) -> None:
        """Close all connections."""
        for storage in (*self._retired, self._storage):
            await storage.close()

    async def read(self, key: str, start: int, length: int, fingerprint: str) -> bytes:
        """Read a range of the version that was listed.

        Raises StorageError for what is wrong with this file; SourceUnusable or SourceOutage for the source.
        """
        backoff = Backoff(self._jitter)
        suspicion = Suspicion(self._settings, self._reads)
        throttles = 0
        while True:
            storage = self._storage
            try:
                data = await storage.read_range(key, start, length, fingerprint=fingerprint)
            except InvalidCredentials as error:
                await self._renew(storage, error)
            except Throttled as error:
                # The store asks everybody to wait: that says nothing about this file, and more requests would not help.
                throttles += 1
                if throttles > _MOST_THROTTLES:
                    raise
                await self._pause(backoff, error)
            except Unavailable as error:
                if suspicion.grows(self._reads, can_be_listed=await self._can_be_listed()):
                    raise
                await self._pause(backoff, error)
            except StorageError as error:
                self._raise_if_gone(error, listing=False)
                self._note_answer(reads=1)
                raise
            else:
                self._note_answer(reads=1)
                return data

    async def list_pages(self, prefix: str, *, recursive: bool, start_after: str) -> AsyncIterator[ListPage]:
        """Yield the listing from ``start_after`` on, however often it breaks off. Raises SourceUnusable or SourceOutage."""
        backoff = Backoff(self._jitter)
        while True:
            storage = self._storage
            pages = storage.list_pages(
                prefix, recursive=recursive, start_after=start_after, page_size=self._settings.list_page_size
            )
            try:
                async for page in pages:
                    self._note_answer()
                    backoff.reset()
                    yield page
                    start_after = page.last_key
            except InvalidCredentials as error:
                await self._renew(storage, error, listing=True)
            except (Throttled, Unavailable) as error:
                await self._pause(backoff, error)
            except StorageError as error:
                self._raise_if_gone(error, listing=True)
                raise
            else:
                return

    def _load(self) -> S3Source:
        if self._directory is None:
            return self._base
        return replace(self._base, credentials=read_credentials(self._directory))

    def _note_answer(self, *, reads: int = 0) -> None:
        self._has_answered = True
        self._reads += reads
        self._trouble_since = None

    def _raise_if_gone(self, error: StorageError, *, listing: bool) -> None:
        if is_source_gone(error, listing=listing):
            raise SourceUnusable(error.message) from error

    async def _can_be_listed(self) -> bool:
        try:
            async for _ in self._storage.list_pages(page_size=1):
                break
        except StorageError:
            return False
        return True

    async def _pause(self, backoff: Backoff, error: Throttled | Unavailable) -> None:
        """Wait before the next try. Raises SourceOutage when nothing has answered for too long."""
        now = asyncio.get_running_loop().time()
        if self._trouble_since is None:
            self._trouble_since = now
            _log.warning("the source does not answer, trying again", error=error.message)
        outage = now - self._trouble_since
        if outage >= self._settings.source_outage:
            raise SourceOutage(f"{error.message} (for {outage:.0f} s)") from error
        pause = backoff.next_pause()
        await asyncio.sleep(max(pause, error.retry_after) if isinstance(error, Throttled) else pause)

    async def _renew(self, refused: Storage, error: InvalidCredentials, *, listing: bool = False) -> None:
        """Open the source with other credentials than the refused ones. Raises SourceUnusable when there are none.

        Credentials that worked before are being rotated: the mounted Secret follows within a minute or two. While they go
        on working for others, it is this file that is refused (a proxy that rewrites odd keys breaks their signatures):
        AccessDenied.
        """
        before = self._reads
        async with self._renewing:
            if self._storage is not refused:
                return
            loop = asyncio.get_running_loop()
            deadline = loop.time() + (self._settings.credentials_wait if self._has_answered else 0.0)
            while (found := self._load()) == self._source:
                if not listing and self._reads - before >= _PROOF_READS:
                    raise AccessDenied(error.message, error.code) from error
                if loop.time() >= deadline:
                    if not listing and await self._can_be_listed():
                        raise AccessDenied(error.message, error.code) from error
                    raise SourceUnusable(error.message) from error
                await asyncio.sleep(_CREDENTIALS_POLL_SECONDS)
            _log.info("the credentials were renewed from the mounted Secret")
            # Others still read with the old one; they fail over by themselves.
            self._retired.append(refused)
            self._source, self._storage = found, self._open_storage(found)
