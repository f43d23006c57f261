"""Follows the logs of several pods at once: a thread each reads, and whoever asks gets their lines.

A stream that breaks, or ends while its pod runs, is opened again where it was, a bounded number of times. Threads write nothing:
what goes wrong with the output is met by the command itself.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from videovector_operator.cli.failures import CommandError, RightMissingError
from videovector_operator.cli.log_position import LogPosition
from videovector_operator.cli.ports import LogQuery, Session

Json = dict[str, Any]
CONTAINER = "worker"
_MOST_TOGETHER = 64
_MOST_LINES = 10_000
_REOPENINGS = 20
"""Times that a stream is opened again without a new line between."""
_NOT_YET = frozenset({"Pending", ""})


@dataclass(slots=True)
class _Log:
    """One pod's log. The thread that reads it is the only one to change it while it is alive."""

    position: LogPosition = field(default_factory=LogPosition)
    thread: threading.Thread | None = None
    failure: CommandError | None = None
    was_read: bool = False
    tries: int = 0
    is_given_up: bool = False

    @property
    def is_alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class LogFollower:
    """The logs of one run's pods."""

    def __init__(self, session: Session, query: LogQuery) -> None:
        self._session = session
        self._query = replace(query, timestamps=True)
        self._lines: queue.Queue[tuple[str, str]] = queue.Queue(_MOST_LINES)
        self._logs: dict[str, _Log] = {}
        self._waiting = 0
        """Pods for which there was no place."""

    @property
    def is_idle(self) -> bool:
        """True when every log has been read to its end, or given up, and every line taken."""
        is_over = all(not log.is_alive and (log.failure is None or log.is_given_up) for log in self._logs.values())
        return is_over and not self._waiting and self._lines.empty()

    @property
    def has_seen_pods(self) -> bool:
        """True when there was a pod to read from."""
        return bool(self._logs)

    @property
    def has_read(self) -> bool:
        """True when a log could be read, also one without a line."""
        return any(log.was_read for log in self._logs.values())

    def attend(self, pods: Sequence[Json]) -> Iterator[str]:
        """Begin to read those that are new, and again those that broke off; yields what is to be told of those given up.

        Raises RightMissingError: a right that is missing will be missing for the next pod too.
        """
        found = {pod["metadata"]["name"]: pod for pod in pods}
        for name, log in self._logs.items():
            if isinstance(log.failure, RightMissingError):
                raise log.failure
            if not log.is_alive and not log.is_given_up:
                yield from self._attend_ended(name, log, found.get(name))
        new = [name for name, pod in found.items() if name not in self._logs and _phase(pod) not in _NOT_YET]
        free = max(_MOST_TOGETHER - sum(log.is_alive for log in self._logs.values()), 0)
        for name in new[:free]:
            self._logs[name] = _Log()
            self._start(name, self._logs[name])
        self._waiting = len(new[free:])

    def take(self) -> Iterator[tuple[str, str]]:
        """Yield the pods and lines that have come, without waiting."""
        while True:
            try:
                yield self._lines.get_nowait()
            except queue.Empty:
                return

    def _attend_ended(self, name: str, log: _Log, pod: Json | None) -> Iterator[str]:
        """``pod`` None = it is gone. A stream that ended well although its container runs was cut by somebody between."""
        if log.failure is None and (pod is None or not _runs(pod)):
            return
        if pod is not None and log.tries < _REOPENINGS:
            log.tries += 1
            self._start(name, log)
            return
        log.is_given_up = True
        why = log.failure.message if log.failure is not None else f"its log ended {log.tries} times without a new line"
        yield f"{name}: {why}; it is not followed any more"

    def _start(self, pod: str, log: _Log) -> None:
        log.thread = threading.Thread(target=self._read, args=(pod, log), daemon=True)
        log.thread.start()

    def _read(self, pod: str, log: _Log) -> None:
        query = log.position.resume(self._query)
        try:
            for line in self._session.kubernetes.stream_log(self._session.namespace, pod, CONTAINER, query):
                text = log.position.advance(line)
                if text is not None:
                    log.was_read, log.tries = True, 0
                    self._lines.put((pod, text))
        except CommandError as error:
            log.failure = error
        else:
            log.was_read, log.failure = True, None


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def _runs(pod: Json) -> bool:
    """Whether the worker itself runs: beside it others may, and keep the pod running."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ended = any(one.get("name") == CONTAINER and "terminated" in (one.get("state") or {}) for one in statuses)
    return _phase(pod) == "Running" and not ended
