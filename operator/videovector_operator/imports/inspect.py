"""One file: read its head, probe it, fetch what the probe asks for, say what the file is or why not.

No catalog may enter; the source decides what is a file's fault and what is its own.
"""

from __future__ import annotations

import asyncio

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.core.names import media_id
from videovector_operator.core.records import ClaimedFile, FileResult, FileState, JsonValue, MediaRecord, RunSpec
from videovector_operator.errors import Changed, MediaError, StorageError
from videovector_operator.imports.probing import ProbeThreads
from videovector_operator.imports.problems import build_failure
from videovector_operator.imports.settings import ImportSettings
from videovector_operator.imports.source import ImportSource
from videovector_operator.media.facts import Probe
from videovector_operator.media.reader import MissingBytes, PartialObject

_MAX_TITLE = 255


class Inspector:
    """Inspects the files of one run, many at a time; probes run in a few threads."""

    def __init__(self, run: RunSpec, source: ImportSource, settings: ImportSettings) -> None:
        self._run = run
        self._source = source
        self._settings = settings
        self._probes = ProbeThreads(settings.probe_threads, settings.probe_timeout)
        self._large = asyncio.Semaphore(settings.large_files)

    def close(self) -> None:
        """End the threads once they are idle; never waits."""
        self._probes.close()

    async def inspect(self, file: ClaimedFile) -> FileResult:
        """What became of one file. Raises SourceUnusable or SourceOutage when that is not the file's fault."""
        content = PartialObject(file.size)
        try:
            await self._fetch(content, file, 0, min(self._settings.head_bytes, file.size))
            probe = await self._probe(content, file)
        except (StorageError, MediaError) as error:
            return build_failure(file.path, error, content.bytes_read)
        media = self._build_record(file, probe)
        return FileResult(file.path, FileState.IMPORTED, media, bytes_read=content.bytes_read)

    async def _probe(self, content: PartialObject, file: ClaimedFile, *, is_large: bool = False) -> Probe:
        """Probe and fetch in turn. A file that turns out large takes one of the few places for such files first."""
        for _ in range(self._settings.max_reads):
            try:
                return await self._probes.probe(content, file.path)
            except MissingBytes as missing:
                start, length = missing.start, missing.length
            if content.bytes_read + length > self._settings.max_file_bytes:
                break
            if length > self._settings.large_bytes and not is_large:
                async with self._large:
                    return await self._probe(content, file, is_large=True)
            await self._fetch(content, file, start, length)
        message = (
            f"its header is spread too far: {content.bytes_read} bytes in many places were read and more were needed"
        )
        raise MediaError(FileReason.UNREADABLE_MEDIA, message)

    async def _fetch(self, content: PartialObject, file: ClaimedFile, start: int, length: int) -> None:
        data = await self._source.read(file.path, start, length, file.fingerprint)
        content.add(start, data)
        if len(data) < length:
            raise Changed(f"{file.path!r} has fewer bytes than were listed: it was changed since; import it again")

    def _build_record(self, file: ClaimedFile, probe: Probe) -> MediaRecord:
        technical: dict[str, JsonValue] = {**probe.technical}
        return MediaRecord(
            media_id=media_id(self._run.index_id, self._run.location, file.path, file.fingerprint),
            kind=probe.kind.value,
            title=file.path.rpartition("/")[2][:_MAX_TITLE],
            content_type=probe.content_type,
            container=probe.container,
            duration_seconds=probe.duration_seconds,
            width=probe.width,
            height=probe.height,
            frame_rate=probe.frame_rate,
            video_codec=probe.video_codec,
            audio_codec=probe.audio_codec,
            sample_rate=probe.sample_rate,
            channels=probe.channels,
            technical=technical,
        )
