"""`logs`: what the worker pods of an ImportJob say, each line with its pod; pods that come later are followed too."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

from videovector_operator.cli.failures import CommandError, RightMissingError, bad
from videovector_operator.cli.output import note, printable
from videovector_operator.cli.ports import Clock, LogQuery, Session
from videovector_operator.cli.standing import has_ended
from videovector_operator.core import names

Json = dict[str, Any]
CONTAINER = "worker"
_POLL_SECONDS = 2.0
_MOST_TOGETHER = 64
_NOT_YET = frozenset({"Pending", ""})


def show_logs(session: Session, import_job: str, query: LogQuery, clock: Clock) -> None:
    """Print the logs; with ``follow`` until the run has ended and nothing is left to read. Raises CommandError."""
    body = _get(session, import_job)
    labels = f"{names.RUN_LABEL}={names.import_run_id(body['metadata']['uid'])}"
    reader = _Reader(session, query)
    if not query.follow:
        pods = _pods(session, labels)
        if not pods:
            raise bad(_explain_absence(import_job, body))
        for pod in pods:
            reader.read(pod["metadata"]["name"])
        return
    while True:
        over = has_ended(_get(session, import_job))
        pods = _pods(session, labels)
        reader.start([pod["metadata"]["name"] for pod in pods if _phase(pod) not in _NOT_YET])
        if reader.refusal is not None:
            raise reader.refusal
        if over and reader.is_idle:
            break
        clock.sleep(_POLL_SECONDS)
    if not reader.has_read:
        raise bad(_explain_absence(import_job, body))


class _Reader:
    """Reads logs of several pods at once, a thread each, and prints whole lines."""

    def __init__(self, session: Session, query: LogQuery) -> None:
        self._session = session
        self._query = query
        self._printing = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self.refusal: RightMissingError | None = None
        """The right that is missing: it will be missing for the next pod too."""

    @property
    def is_idle(self) -> bool:
        """True when every log has been read to its end."""
        return not any(thread.is_alive() for thread in self._threads.values())

    @property
    def has_read(self) -> bool:
        """True when there was a pod to read from."""
        return bool(self._threads)

    def start(self, pods: Sequence[str]) -> None:
        """Begin to read those that are new."""
        for pod in pods:
            together = sum(thread.is_alive() for thread in self._threads.values())
            if pod not in self._threads and together < _MOST_TOGETHER:
                self._threads[pod] = threading.Thread(target=self._read_aside, args=(pod,), daemon=True)
                self._threads[pod].start()

    def read(self, pod: str) -> None:
        """Print one pod's log. What goes wrong with one pod is told and stops no other; a missing right is raised."""
        try:
            lines = self._session.kubernetes.stream_log(self._session.namespace, pod, CONTAINER, self._query)
            for line in lines:
                self._print(pod, line)
        except RightMissingError:
            raise
        except CommandError as error:
            note(f"{pod}: {error.message}")

    def _read_aside(self, pod: str) -> None:
        try:
            self.read(pod)
        except RightMissingError as error:
            self.refusal = error

    def _print(self, pod: str, line: str) -> None:
        text = line if not sys.stdout.isatty() else "\t".join(printable(part) for part in line.split("\t"))
        with self._printing:
            sys.stdout.write(f"[{pod}] {text}\n")
            sys.stdout.flush()


def _get(session: Session, import_job: str) -> Json:
    body = session.kubernetes.get("ImportJob", session.namespace, import_job)
    if body is None:
        raise bad(f'there is no ImportJob "{import_job}" in namespace "{session.namespace}"')
    return body


def _pods(session: Session, labels: str) -> Sequence[Json]:
    found = session.kubernetes.list("Pod", session.namespace, labels=labels)
    return sorted(found, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def _explain_absence(import_job: str, body: Json) -> str:
    if has_ended(body):
        return (
            f'ImportJob "{import_job}" has ended and its pods are gone (spec.ttlSecondsAfterFinished); what became of each file: '
            f"kubectl videovector files {import_job}"
        )
    return f'ImportJob "{import_job}" has no pods yet: kubectl describe importjob {import_job}'
