"""A run's row: locked, and turned into records.

Lock order in this room: whoever waits for rows of `run_files` or writes media holds the run's row first (`lock_run`),
then files and media in path order, then index totals in kind order. Claims never wait (SKIP LOCKED).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from videovector_operator.catalog.pool import Connection
from videovector_operator.catalog.text import escaped_json, unescaped_json
from videovector_operator.core.records import JsonValue, RunControl, RunCounters, RunSpec, RunState

_CONTROL = """
SELECT state, cancel_requested, scan_done, total, imported, failed, skipped, bytes_transferred,
       (SELECT max_per_second FROM request_rates WHERE connector_id = r.connector_id) AS request_limit
FROM runs AS r WHERE run_id = %s
"""

_LOCK = """
SELECT state, cancel_requested, scan_done, total, imported, failed, skipped, bytes_transferred, spec, scan_owner,
       (SELECT max_per_second FROM request_rates WHERE connector_id = r.connector_id) AS request_limit,
       coalesce(progress_told_at, started_at, created_at) <= clock_timestamp() - interval '10 seconds' AS progress_due
FROM runs AS r WHERE run_id = %s FOR NO KEY UPDATE
"""

GONE = RunControl(state=RunState.CANCELLED, cancel_requested=True, scan_done=True, counters=RunCounters())
"""What the workers of a run are told that has been deleted with its index: stop."""

_SPEC_FIELDS = frozenset(field.name for field in dataclasses.fields(RunSpec))


@dataclass(frozen=True, slots=True)
class LockedRun:
    """A run whose row this transaction holds."""

    spec: RunSpec
    control: RunControl
    scan_owner: str | None
    progress_due: bool
    """Ten seconds have gone by since the last progress event (or the start)."""


async def lock_run(connection: Connection, run_id: str) -> LockedRun | None:
    """Lock the run's row until the end of the transaction; None = there is no such run."""
    row = await (await connection.execute(_LOCK, [run_id])).fetchone()
    if row is None:
        return None
    return LockedRun(read_spec(row["spec"]), read_control(row), row["scan_owner"], row["progress_due"])


async def observe_control(connection: Connection, run_id: str) -> RunControl:
    """Read where the run stands; `GONE` when there is no such run."""
    row = await (await connection.execute(_CONTROL, [run_id])).fetchone()
    return GONE if row is None else read_control(row)


def read_control(row: Mapping[str, Any]) -> RunControl:
    """Turn a row into the worker's view."""
    return RunControl(
        state=RunState(row["state"]),
        cancel_requested=row["cancel_requested"],
        scan_done=row["scan_done"],
        counters=read_counters(row),
        request_limit=row["request_limit"],
    )


def read_counters(row: Mapping[str, Any]) -> RunCounters:
    """Turn a row into counters."""
    return RunCounters(row["total"], row["imported"], row["failed"], row["skipped"], row["bytes_transferred"])


def write_spec(spec: RunSpec) -> str:
    """Serialise the spec for its jsonb column."""
    return escaped_json(cast("dict[str, JsonValue]", {name: getattr(spec, name) for name in _SPEC_FIELDS}))


def read_spec(stored: JsonValue) -> RunSpec:
    """Undo `write_spec`; fields that this version does not know are left out."""
    fields = cast("dict[str, Any]", unescaped_json(stored))
    return RunSpec(**{name: value for name, value in fields.items() if name in _SPEC_FIELDS})
