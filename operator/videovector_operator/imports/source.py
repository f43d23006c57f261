"""The run's source, opened: where the files are (from the run's spec), as whom they are read and whom to trust (`mounts`).

The one place that tells a file's trouble from the source's: while nothing of the source can be read, readers wait here,
and no file fails for it. What is mounted is read again when credentials are refused or the server's certificate is not
trusted, so that a rotated Secret or CA bundle needs no restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Self

import structlog

from videovector_operator.core.records import JsonValue
from videovector_operator.core.retry import LONGEST_RETRY_AFTER_SECONDS
from videovector_operator.core.sources import Source
from videovector_operator.errors import AccessDenied, InvalidCredentials, StorageError, Throttled, Unavailable
from videovector_operator.imports.mounts import Mounts, read_base, read_source
from videovector_operator.imports.patience import Backoff
from videovector_operator.imports.problems import SourceOutage, SourceUnusable, is_source_gone, is_trust_broken
from videovector_operator.imports.refusal import Refusal, Spell, Verdict
from videovector_operator.imports.settings import ImportSettings
from videovector_operator.storage.port import ListPage, Storage

_log = structlog.get_logger(__name__)
_MOUNTS_POLL_SECONDS = 1.0


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
    """One source for all tasks of a worker; made by `open`."""

    def __init__(
        self,
        base: Source,
        open_storage: Callable[[Source], Storage],
        mounts: Mounts,
        settings: ImportSettings,
        jitter: Callable[[], float],
        *,
        has_answered: bool,
    ) -> None:
        self._base = base
        self._open_storage = open_storage
        self._mounts = mounts
        self._settings = settings
        self._jitter = jitter
        self._source = read_source(base, mounts)
        self._storage = open_storage(self._source)
        self._retired: list[Storage] = []
        self._has_answered = has_answered
        self._spell = Spell()
        self._reads = 0
        self._trouble_since: float | None = None

    @classmethod
    async def open(
        cls,
        spec: Mapping[str, JsonValue],
        open_storage: Callable[[Source], Storage],
        mounts: Mounts,
        settings: ImportSettings,
        jitter: Callable[[], float],
        *,
        has_answered: bool = False,
    ) -> Self:
        """Open what a run's spec names. A Secret that is just being written again is waited for. Raises SourceUnusable.

        ``has_answered``: the source has answered this run before, whichever worker asked.
        """
        base = read_base(spec)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.credentials_wait
        while mounts.is_waiting and loop.time() < deadline:  # noqa: ASYNC110 - a mount tells nobody that it has changed
            await asyncio.sleep(_MOUNTS_POLL_SECONDS)
        return cls(base, open_storage, mounts, settings, jitter, has_answered=has_answered)

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
        refusal = Refusal(self._spell, self._settings.file_attempts)
        throttled_since: float | None = None
        while True:
            storage = self._storage
            try:
                data = await storage.read_range(key, start, length, fingerprint=fingerprint)
            except InvalidCredentials as error:
                await self._bear(storage, error, refusal, backoff)
            except Throttled as error:
                # The store asks everybody to wait: that says nothing about this file, unless it alone is refused for as long
                # as an outage may take.
                now = asyncio.get_running_loop().time()
                throttled_since = now if throttled_since is None else throttled_since
                if now - throttled_since >= self._settings.source_outage and self._answers_others(now):
                    raise
                await self._pause(backoff, error)
            except Unavailable as error:
                if suspicion.grows(self._reads, can_be_listed=await self._can_be_listed()):
                    raise
                await self._pause(backoff, error)
            except StorageError as error:
                if is_trust_broken(error):
                    await self._bear(storage, error, refusal, backoff, of_all=True)
                    continue
                self._raise_if_gone(error, listing=False)
                self._note_answer(reads=1)
                raise
            else:
                self._note_answer(reads=1)
                return data

    async def list_pages(self, prefix: str, *, recursive: bool, start_after: str) -> AsyncIterator[ListPage]:
        """Yield the listing from ``start_after`` on, however often it breaks off. Raises SourceUnusable or SourceOutage."""
        backoff = Backoff(self._jitter)
        refusal = Refusal(self._spell, self._settings.file_attempts)
        while True:
            storage = self._storage
            pages = storage.list_pages(
                prefix, recursive=recursive, start_after=start_after, page_size=self._settings.list_page_size
            )
            try:
                async for page in pages:
                    self._note_answer()
                    backoff.reset()
                    refusal.forget()
                    yield page
                    start_after = page.last_key
            except InvalidCredentials as error:
                await self._bear(storage, error, refusal, backoff, of_all=True)
            except (Throttled, Unavailable) as error:
                await self._pause(backoff, error)
            except StorageError as error:
                if is_trust_broken(error):
                    await self._bear(storage, error, refusal, backoff, of_all=True)
                    continue
                self._raise_if_gone(error, listing=True)
                raise
            else:
                return

    def _note_answer(self, *, reads: int = 0) -> None:
        self._has_answered = True
        self._reads += reads
        self._trouble_since = None

    def _answers_others(self, now: float) -> bool:
        return self._trouble_since is None or now - self._trouble_since < self._settings.source_outage / 2

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
        asked = min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS) if isinstance(error, Throttled) else 0.0
        await asyncio.sleep(max(pause, asked))

    async def _bear(
        self, refused: Storage, error: StorageError, refusal: Refusal, backoff: Backoff, *, of_all: bool = False
    ) -> None:
        """Return when a refused call may be tried again: with what is mounted by now, or after a pause, as refusals may pass.

        ``of_all`` False = it may be this file alone that is refused (a proxy that rewrites odd keys breaks their signatures):
        AccessDenied. Raises SourceUnusable when everything has been refused for too long.
        """
        if self._reopen(refused, error):
            return
        loop = asyncio.get_running_loop()
        verdict = refusal.judge(now=loop.time(), reads=self._reads, patience=self._patience, of_all=of_all)
        if verdict is Verdict.OVER:
            mounted = self._read_mounts(error)
            if isinstance(mounted, SourceUnusable) or of_all or not await self._can_be_listed():
                raise mounted if isinstance(mounted, SourceUnusable) else SourceUnusable(error.message) from error
        if verdict is not Verdict.AGAIN:
            raise AccessDenied(error.message, error.code) from error
        ends = loop.time() + max(backoff.next_pause(), _MOUNTS_POLL_SECONDS)
        while (left := ends - loop.time()) > 0 and not self._reopen(refused, error):  # noqa: ASYNC110 - as in `open`
            await asyncio.sleep(min(left, _MOUNTS_POLL_SECONDS))

    @property
    def _patience(self) -> float:
        """Seconds that a refusal may last. Keys of a Secret that never worked are most likely wrong; the pods' own identity may
        just be coming."""
        may_come = self._has_answered or self._source.credentials is None
        return self._settings.credentials_wait if may_come else self._settings.first_credentials_wait

    def _reopen(self, refused: Storage, error: StorageError) -> bool:
        """Open the source with what is mounted now; True when that is, or was meanwhile, another than what was refused."""
        if self._storage is not refused:
            return True
        mounted = self._read_mounts(error)
        if mounted == self._source or isinstance(mounted, SourceUnusable):
            return False
        _log.info("credentials or CA bundle were renewed from what is mounted")
        # Others still read with the old one; they fail over by themselves.
        self._retired.append(refused)
        self._spell.forget()
        self._source, self._storage = mounted, self._open_storage(mounted)
        return True

    def _read_mounts(self, refusal: StorageError) -> Source | SourceUnusable:
        """What is mounted now, or why it cannot be used: a Secret that is half written is in the middle of a change."""
        try:
            return read_source(self._base, self._mounts)
        except SourceUnusable as error:
            _log.warning(
                "refused, and what is mounted cannot be used yet", refusal=refusal.message, error=error.message
            )
            return error
