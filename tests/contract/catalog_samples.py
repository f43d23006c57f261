"""Records for the catalog's tests, and the steps that a worker takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from videovector_operator.catalog.port import OperatorCatalog, WorkerCatalog
from videovector_operator.core.names import media_id
from videovector_operator.core.records import (
    Candidate,
    FileResult,
    FileState,
    MediaRecord,
    RunControl,
    RunSpec,
    RunSummary,
)

LEASE = timedelta(minutes=5)
MODIFIED = datetime(2026, 7, 1, 12, tzinfo=UTC)
LOCATION = "s3://bucket"


def make_spec(
    run_id: str = "job_1", index_id: str = "idx_1", *, mode: str = "all", threshold: str | None = None
) -> RunSpec:
    return RunSpec(
        run_id=run_id,
        namespace="media",
        name=f"import-{run_id}",
        index_id=index_id,
        connector_id="conn_1",
        location=LOCATION,
        source={"bucket": "bucket"},
        import_mode=mode,
        failure_threshold=threshold,
    )


def make_candidate(path: str, *, fingerprint: str = "v1", size: int = 100, skip: str | None = None) -> Candidate:
    return Candidate(path, size, fingerprint, MODIFIED, skip, "for a reason" if skip else "")


def imported(
    path: str, *, index_id: str = "idx_1", fingerprint: str = "v1", kind: str = "video", title: str = ""
) -> FileResult:
    identity = media_id(index_id, LOCATION, path, fingerprint)
    media = MediaRecord(identity, kind, title or path, f"{kind}/x", "mp4", duration_seconds=2.5, width=64, height=48)
    return FileResult(path, FileState.IMPORTED, media, bytes_read=10)


def failed(path: str) -> FileResult:
    return FileResult(path, FileState.FAILED, reason="UnreadableMedia", message="not media", bytes_read=10)


def skipped(path: str) -> FileResult:
    return FileResult(path, FileState.SKIPPED, reason="UnsupportedType", message="no video, audio or image")


async def observe(catalog: OperatorCatalog, run_id: str = "job_1", *, list_limit: int = 50) -> RunSummary:
    """Read a run that is there."""
    run = await catalog.observe_run(run_id, list_limit=list_limit)
    assert run is not None
    return run


async def begin(catalog: WorkerCatalog, run_id: str = "job_1", owner: str = "w1") -> None:
    """Start the run and become its scanner."""
    await catalog.start_run(run_id)
    assert await catalog.claim_scan(run_id, owner, LEASE) is not None


async def scan(
    catalog: WorkerCatalog, paths: Iterable[str | Candidate], run_id: str = "job_1", owner: str = "w1"
) -> None:
    """Start the run, list all of ``paths`` and finish the scan."""
    await begin(catalog, run_id, owner)
    candidates = [make_candidate(path) if isinstance(path, str) else path for path in paths]
    assert await catalog.add_candidates(run_id, owner, candidates, candidates[-1].path if candidates else "", LEASE)
    assert await catalog.finish_scan(run_id, owner)


async def work(
    catalog: WorkerCatalog, results: Sequence[FileResult], run_id: str = "job_1", owner: str = "w1"
) -> RunControl:
    """Claim everything that is open and register ``results``."""
    await catalog.claim_files(run_id, owner, 1000, LEASE)
    return await catalog.register_files(run_id, owner, results)
