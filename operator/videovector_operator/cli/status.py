"""`status`: everything of ours at a glance, what is wrong first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from videovector_operator.cli.browse import Format
from videovector_operator.cli.failures import BAD, FINE
from videovector_operator.cli.output import Cell, Colour, TableWriter, dump_json, dump_yaml, note, paint
from videovector_operator.cli.ports import Session
from videovector_operator.cli.standing import ORDER, Seen, Standing, phase_of, read_standing

Json = dict[str, Any]
KINDS = ("Connector", "Index", "ImportJob")
_COLOURS = {
    Standing.STALLED: Colour.WRONG,
    Standing.RETRYING: Colour.WAITING,
    Standing.STUCK: Colour.WAITING,
    Standing.DEGRADED: Colour.WAITING,
    Standing.PROGRESSING: Colour.WAITING,
    Standing.DELETING: Colour.WAITING,
    Standing.CANCELLED: Colour.FAINT,
    Standing.READY: Colour.GOOD,
}
_LONGEST_MESSAGE = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One object with how it stands."""

    kind: str
    body: Json
    seen: Seen

    @property
    def order(self) -> tuple[int, int, str, str]:
        """What is wrong first, then by kind and name."""
        meta = self.body["metadata"]
        return ORDER.index(self.seen.standing), KINDS.index(self.kind), meta.get("namespace", ""), meta["name"]


def show_status(session: Session, *, everywhere: bool, output: Format, now: float) -> int:
    """Print all objects; answers 1 when something is stalled, which only a user can change. ``now`` is Unix time.

    Raises CommandError.
    """
    entries = observe_entries(session, None if everywhere else session.namespace, now)
    match output:
        case Format.JSON:
            sys.stdout.write(dump_json(_describe_all(entries)) + "\n")
        case Format.YAML:
            sys.stdout.write(dump_yaml(_describe_all(entries)))
        case _:
            _write_table(entries, everywhere=everywhere, wide=output is Format.WIDE, now=now)
            _sum_up(entries, "any namespace" if everywhere else f'namespace "{session.namespace}"')
    return BAD if any(entry.seen.standing is Standing.STALLED for entry in entries) else FINE


def observe_entries(session: Session, namespace: str | None, now: float) -> Sequence[Entry]:
    """Read every object of ours, in the order in which people want to see them."""
    found = [
        Entry(kind, body, read_standing(body, now=now))
        for kind in KINDS
        for body in session.kubernetes.list(kind, namespace)
    ]
    return sorted(found, key=lambda entry: entry.order)


def _write_table(entries: Sequence[Entry], *, everywhere: bool, wide: bool, now: float) -> None:
    if not entries:
        return
    lead = ("NAMESPACE",) if everywhere else ()
    table = TableWriter((*lead, "STATE", "OBJECT", "REASON", "PROGRESS", "AGE", "MESSAGE"))
    table.write(
        (
            *((entry.body["metadata"].get("namespace", ""),) if everywhere else ()),
            Cell(entry.seen.standing.value, _COLOURS[entry.seen.standing]),
            f"{entry.kind.lower()}/{entry.body['metadata']['name']}",
            entry.seen.reason or "-",
            progress_of(entry),
            age(entry.body, now),
            _message(entry.seen, wide=wide),
        )
        for entry in entries
    )


def _message(seen: Seen, *, wide: bool) -> str:
    text = seen.message or "-"
    return text if wide or len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"


def progress_of(entry: Entry) -> str:
    """How far an ImportJob is, what an Index holds; nothing to say of a Connector."""
    counts = counts_of(entry)
    if counts is None:
        return "-"
    if entry.kind == "Index":
        return f"{counts['media']} media"
    done = counts["imported"] + counts["failed"] + counts["skipped"]
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{phase_of(entry.body)} {done}/{counts['totalFiles']}{failed}"


def counts_of(entry: Entry) -> dict[str, int] | None:
    """The numbers of that, always all of them; None of a Connector."""
    status = entry.body.get("status") or {}
    match entry.kind:
        case "Index":
            return {"media": (status.get("media") or {}).get("total", 0)}
        case "ImportJob":
            counts = status.get("progress") or {}
            return {name: counts.get(name, 0) for name in ("totalFiles", "imported", "failed", "skipped")}
        case _:
            return None


def age(body: Json, now: float) -> str:
    """Time since the creation, as kubectl writes it."""
    text = body["metadata"].get("creationTimestamp")
    if not text:
        return "-"
    seconds = max(int(now - datetime.fromisoformat(text).timestamp()), 0)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _describe_all(entries: Sequence[Entry]) -> Json:
    return {
        "items": [
            {
                "namespace": entry.body["metadata"].get("namespace"),
                "kind": entry.kind,
                "name": entry.body["metadata"]["name"],
                "state": entry.seen.standing.value,
                "phase": phase_of(entry.body) if entry.kind == "ImportJob" else None,
                "progress": counts_of(entry),
                "reason": entry.seen.reason,
                "message": entry.seen.message,
                "createdAt": entry.body["metadata"].get("creationTimestamp"),
            }
            for entry in entries
        ]
    }


def _sum_up(entries: Sequence[Entry], where: str) -> None:
    if not entries:
        note(f"No Connectors, Indexes or ImportJobs in {where}.")
        return
    counts = {standing: sum(entry.seen.standing is standing for entry in entries) for standing in ORDER}
    parts = [paint(f"{n} {standing.lower()}", _COLOURS[standing], sys.stderr) for standing, n in counts.items() if n]
    sys.stderr.write("\n" + ", ".join(parts) + "\n")
