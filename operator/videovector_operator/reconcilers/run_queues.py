"""Who waits for which Connector, in order, and whose work takes up its room: what the operator keeps of it in memory.

It hears of every ImportJob and Job that the cache stores, and of what each look at an ImportJob found. It is never a truth
of its own: that no more runs begin than allowed is the catalog's business (`OperatorCatalog.admit_run`). What is here gives
the order, says who is to be looked at next, and counts for people. No I/O, no clock; nothing is scanned for one look.

An ImportJob that has changed, or that this process has never looked at, is open to question until the next look: whoever
came after it does not begin before that. So the order holds right after a leader change too.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.cluster.port import Json
from videovector_operator.core.connector_use import ConnectorUse
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.turns import Place
from videovector_operator.reconcilers.run_entries import (
    Entry,
    Line,
    Order,
    Stand,
    has_ended,
    read_entry,
    read_worker_job,
    wants_to_wait,
)

WOKEN = 10
"""So many of a queue learn at once that they have moved up; the others by `moved`."""


@dataclass(slots=True)
class _Queue:
    """One Connector's."""

    in_line: list[Order] = field(default_factory=list)
    uncertain: list[Order] = field(default_factory=list)
    keys: dict[Order, ObjectKey] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    """Names of the ImportJobs by the ids of their runs."""
    unfinished: set[str] = field(default_factory=set)
    """Runs whose batch/v1 Jobs are not over."""
    queued: int = 0
    has_moved: bool = False
    told: tuple[int, ...] = (0, 0, 0)

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.running.keys() | self.unfinished), self.queued

    @property
    def shown(self) -> tuple[int, ...]:
        """What the Connector's status shows: the counts, and by its length the list of who is at work."""
        return *self.counts, len(self.running)

    def enter(self, entry: Entry) -> None:
        if entry.stand.is_in_line:
            insort(self.in_line, entry.order)
        if not entry.is_certain:
            insort(self.uncertain, entry.order)
        if entry.stand is Stand.RUNNING:
            self.running[entry.run_id] = entry.key.name
        self.queued += entry.stand is Stand.QUEUED

    def leave(self, entry: Entry) -> None:
        if entry.stand.is_in_line:
            del self.in_line[bisect_left(self.in_line, entry.order)]
        if not entry.is_certain:
            del self.uncertain[bisect_left(self.uncertain, entry.order)]
        self.running.pop(entry.run_id, None)
        self.queued -= entry.stand is Stand.QUEUED


class RunQueues:
    """The queues of all Connectors. ``look_at`` is called with ImportJobs to look at, ``recount`` with Connectors whose
    counts have changed."""

    def __init__(self) -> None:
        self.look_at: Callable[[ObjectKey], None] = lambda _: None
        self.recount: Callable[[ObjectKey], None] = lambda _: None
        self._entries: dict[ObjectKey, Entry] = {}
        self._queues: dict[Line, _Queue] = {}
        self._jobs: dict[ObjectKey, tuple[Line, str]] = {}

    # What is heard.

    def hear(self, key: ObjectKey, body: Json | None) -> None:
        """The cache has stored an object, or (None) forgotten it."""
        if key.kind == "ImportJob":
            self._hear_import(key, body)
        elif key.kind == "Job":
            self._hear_job(key, body)

    def _hear_import(self, key: ObjectKey, body: Json | None) -> None:
        known = self._entries.get(key)
        if known is not None and (body is None or has_ended(body) or known.uid != body["metadata"].get("uid")):
            self._remove(known)
            known = None
        if body is None or has_ended(body):
            return
        if known is None:
            entry = read_entry(key, body)
            if entry is not None:
                self._add(entry)
        elif known.wants_to_wait != wants_to_wait(body):
            # Nobody waits for one that wants to wait; one that does so no longer is looked at before others begin.
            known.wants_to_wait = not known.wants_to_wait
            if known.stand is not Stand.RUNNING:
                self._move(known, Stand.ASIDE, is_certain=known.wants_to_wait)

    def _hear_job(self, key: ObjectKey, body: Json | None) -> None:
        before = self._jobs.pop(key, None)
        now = None if body is None else read_worker_job(key, body)
        if now is not None:
            self._jobs[key] = now
        if before == now:
            return
        if now is not None:
            self._queue(now[0]).unfinished.add(now[1])
            self._tell(now[0])
        if before is not None:
            queue = self._queue(before[0])
            queue.unfinished.discard(before[1])
            self._wake_first(queue)
            self._tell(before[0])

    # What looks ask and say.

    def place_of(self, key: ObjectKey) -> Place:
        """Place of an ImportJob, whether or not it stands in line already."""
        entry = self._entries.get(key)
        if entry is None:
            return Place()
        queue = self._queue(entry.line)
        position = bisect_left(queue.in_line, entry.order) + 1
        return Place(position, is_certain=bisect_left(queue.uncertain, entry.order) == 0)

    def waits_behind(self, key: ObjectKey) -> bool:
        """Whether a look of this process has found that it waits, and others go before it still."""
        entry = self._entries.get(key)
        if entry is None or entry.stand is not Stand.QUEUED or not entry.is_certain:
            return False
        return self._queue(entry.line).in_line[0] < entry.order

    def is_far(self, key: ObjectKey) -> bool:
        """Whether it is queued, and not one of the first ten: nothing is lost by looking at it a little later."""
        entry = self._entries.get(key)
        return entry is not None and entry.stand is Stand.QUEUED and self.place_of(key).position > WOKEN

    def hurry(self, key: ObjectKey) -> None:
        """Have the first one looked at that keeps this one waiting because nobody has looked at it yet."""
        entry = self._entries.get(key)
        if entry is None:
            return
        queue = self._queue(entry.line)
        if queue.uncertain and queue.uncertain[0] < entry.order:
            self.look_at(queue.keys[queue.uncertain[0]])

    def unfinished_runs(self, key: ObjectKey) -> frozenset[str]:
        """Runs of this ImportJob's Connector whose batch/v1 Jobs are not over, its own left out."""
        entry = self._entries.get(key)
        return frozenset() if entry is None else frozenset(self._queue(entry.line).unfinished - {entry.run_id})

    def knows(self, key: ObjectKey, run_id: str) -> bool:
        """Whether the ImportJob of that run is there and has not ended."""
        entry = self._entries.get(key)
        return entry is not None and entry.run_id == run_id

    def settle(self, key: ObjectKey, stand: Stand | None) -> None:
        """A look has found how the ImportJob stands; None = its run has ended."""
        entry = self._entries.get(key)
        if entry is None:
            return
        if stand is None:
            self._remove(entry)
        else:
            aside = stand.is_in_line and entry.wants_to_wait
            self._move(entry, Stand.ASIDE if aside else stand, is_certain=True)

    def question(self, key: ObjectKey) -> None:
        """What the ImportJob depends on has changed, and it is about to be looked at."""
        entry = self._entries.get(key)
        if entry is not None and entry.stand is Stand.ASIDE and not entry.wants_to_wait:
            self._move(entry, Stand.ASIDE, is_certain=False)

    def use_of(self, connector: Connector) -> ConnectorUse:
        """Which runs use a Connector."""
        queue = self._queues.get((connector.metadata.namespace, connector.metadata.name))
        if queue is None:
            return ConnectorUse()
        return ConnectorUse(*queue.counts, tuple(sorted(queue.running.values())))

    def sort_key(self, key: ObjectKey) -> tuple[bool, Order]:
        """Sorts the open ImportJobs by the order in which they came, and the others behind them."""
        entry = self._entries.get(key)
        return (True, ("", key.namespace, key.name)) if entry is None else (False, entry.order)

    def moved(self) -> Iterator[ObjectKey]:
        """Those behind the first ten of each queue that has moved since this was last asked: their positions are old."""
        for queue in [queue for queue in self._queues.values() if queue.has_moved]:
            queue.has_moved = False
            yield from [queue.keys[order] for order in queue.in_line[WOKEN:]]

    # How it works.

    def _queue(self, line: Line) -> _Queue:
        return self._queues.setdefault(line, _Queue())

    def _add(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        queue = self._queue(entry.line)
        queue.keys[entry.order] = entry.key
        queue.enter(entry)
        self._tell(entry.line)

    def _remove(self, entry: Entry) -> None:
        queue = self._queue(entry.line)
        queue.leave(entry)
        del self._entries[entry.key], queue.keys[entry.order]
        if entry.stand.is_in_line:
            queue.has_moved = True
            self._wake_queued(queue)
        else:
            self._wake_first(queue)
        self._tell(entry.line)

    def _move(self, entry: Entry, stand: Stand, *, is_certain: bool) -> None:
        before, was_certain = entry.stand, entry.is_certain
        queue = self._queue(entry.line)
        queue.leave(entry)
        entry.stand, entry.is_certain = stand, is_certain
        queue.enter(entry)
        if before.is_in_line != stand.is_in_line:
            queue.has_moved = True
        has_made_room = before is Stand.RUNNING and stand is not Stand.RUNNING
        is_known_now = is_certain and not was_certain and queue.in_line[:1] != [entry.order]
        if before.is_in_line and not stand.is_in_line:
            self._wake_queued(queue)
        elif has_made_room or is_known_now:
            self._wake_first(queue)
        self._tell(entry.line)

    def _wake_first(self, queue: _Queue) -> None:
        """There may be room, or nobody unknown before it any more."""
        for order in queue.in_line[:1]:
            self.look_at(queue.keys[order])

    def _wake_queued(self, queue: _Queue) -> None:
        """They have moved up. All else that they may wait for is told to them by itself."""
        for order in queue.in_line[:WOKEN]:
            key = queue.keys[order]
            if self._entries[key].stand is Stand.QUEUED:
                self.look_at(key)

    def _tell(self, line: Line) -> None:
        """Have the Connector's counts written when they have changed, and forget a queue that nobody uses."""
        queue = self._queues[line]
        if queue.shown != queue.told:
            queue.told = queue.shown
            self.recount(ObjectKey("Connector", *line))
        if not (queue.keys or queue.unfinished):
            del self._queues[line]
