"""`logs`: what the worker pods of an ImportJob say, each line with its pod; pods that come later are followed too."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from videovector_operator.cli.failures import CommandError, RightMissingError, bad, unreachable
from videovector_operator.cli.log_follower import CONTAINER, LogFollower
from videovector_operator.cli.output import note, printable
from videovector_operator.cli.polling import Polls
from videovector_operator.cli.ports import Clock, LogQuery, Session
from videovector_operator.cli.standing import has_ended
from videovector_operator.core import names

Json = dict[str, Any]
_POLL_SECONDS = 2.0
_PRINT_SECONDS = 0.1


def show_logs(session: Session, import_job: str, query: LogQuery, clock: Clock) -> None:
    """Print the logs; with ``follow`` until the run has ended and nothing is left to read. Raises CommandError."""
    body = _get(session, import_job)
    labels = f"{names.RUN_LABEL}={names.import_run_id(body['metadata']['uid'])}"
    if query.follow:
        _follow(session, import_job, labels, query, clock)
        return
    pods = _pods(session, labels)
    if not pods:
        raise bad(_explain_absence(import_job, body))
    were_read = [_read(session, pod["metadata"]["name"], query) for pod in pods]
    if not any(were_read):
        raise unreachable(f'no log of ImportJob "{import_job}" could be read')


def _read(session: Session, pod: str, query: LogQuery) -> bool:
    """Print one pod's log; False = it could not be read. That is told and stops no other; a missing right is raised."""
    try:
        for line in session.kubernetes.stream_log(session.namespace, pod, CONTAINER, query):
            _print(pod, line)
    except RightMissingError:
        raise
    except CommandError as error:
        note(f"{pod}: {error.message}")
        return False
    return True


def _follow(session: Session, import_job: str, labels: str, query: LogQuery, clock: Clock) -> None:
    follower, polls = LogFollower(session, query), Polls(clock)
    body: Json = {}
    while not (has_ended(body) and follower.is_idle):
        seen = polls.ask(lambda: (_get(session, import_job), _pods(session, labels)))
        if seen is not None:
            body, pods = seen
            for told in follower.attend(pods):
                note(told)
        _print_for(_POLL_SECONDS, follower, clock, is_over=has_ended(body))
    if not follower.has_seen_pods:
        raise bad(_explain_absence(import_job, body))
    if not follower.has_read:
        raise unreachable(f'no log of ImportJob "{import_job}" could be read')


def _print_for(seconds: float, follower: LogFollower, clock: Clock, *, is_over: bool) -> None:
    """Print what comes in so many seconds; less when nothing can come any more."""
    until = clock.now() + seconds
    while True:
        for pod, line in follower.take():
            _print(pod, line)
        sys.stdout.flush()
        if clock.now() >= until or (is_over and follower.is_idle):
            return
        clock.sleep(_PRINT_SECONDS)


def _print(pod: str, line: str) -> None:
    text = line if not sys.stdout.isatty() else "\t".join(printable(part) for part in line.split("\t"))
    sys.stdout.write(f"[{pod}] {text}\n")


def _get(session: Session, import_job: str) -> Json:
    body = session.kubernetes.get("ImportJob", session.namespace, import_job)
    if body is None:
        raise bad(f'there is no ImportJob "{import_job}" in namespace "{session.namespace}"')
    return body


def _pods(session: Session, labels: str) -> Sequence[Json]:
    found = session.kubernetes.list("Pod", session.namespace, labels=labels)
    return sorted(found, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]))


def _explain_absence(import_job: str, body: Json) -> str:
    if has_ended(body):
        return (
            f'ImportJob "{import_job}" has ended and its pods are gone (spec.ttlSecondsAfterFinished); what became of each file: '
            f"kubectl videovector files {import_job}"
        )
    return f'ImportJob "{import_job}" has no pods yet: kubectl describe importjob {import_job}'
