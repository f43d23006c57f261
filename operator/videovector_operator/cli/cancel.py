"""`cancel`: stop an ImportJob; what is imported stays."""

from __future__ import annotations

import sys
from typing import Any

from videovector_operator.api.v1alpha1.reasons import Phase
from videovector_operator.cli.failures import BAD, FINE, bad, unreachable
from videovector_operator.cli.output import working
from videovector_operator.cli.polling import Polls
from videovector_operator.cli.ports import Clock, Session
from videovector_operator.cli.standing import has_ended, phase_of

Json = dict[str, Any]
_POLL_SECONDS = 0.5


def cancel(session: Session, import_job: str, *, wait: bool, timeout_seconds: float, clock: Clock) -> int:
    """Ask for the end of a run; with ``wait`` return when it has ended. Answers the exit code; raises CommandError."""
    body = _get(session, import_job)
    if has_ended(body):
        return _say_ended(import_job, body)
    if session.kubernetes.patch("ImportJob", session.namespace, import_job, {"spec": {"cancel": True}}) is None:
        raise bad(f'ImportJob "{import_job}" was deleted meanwhile')
    if not wait:
        sys.stdout.write(f"importjob/{import_job} will be cancelled; what is imported stays\n")
        return FINE
    with working(f"{import_job} is being cancelled"):
        body = _wait_ended(session, import_job, timeout_seconds, clock)
    return _say_ended(import_job, body, asked=True)


def _wait_ended(session: Session, import_job: str, timeout_seconds: float, clock: Clock) -> Json:
    deadline, polls = clock.now() + timeout_seconds, Polls(clock)
    while True:
        body = polls.ask(lambda: _get(session, import_job))
        if body is not None and has_ended(body):
            return body
        if clock.now() >= deadline:
            raise unreachable(
                f'ImportJob "{import_job}" has not ended within {timeout_seconds:g} s; it goes on being cancelled'
            )
        clock.sleep(_POLL_SECONDS)


def _get(session: Session, import_job: str) -> Json:
    body = session.kubernetes.get("ImportJob", session.namespace, import_job)
    if body is None:
        raise bad(f'there is no ImportJob "{import_job}" in namespace "{session.namespace}"')
    return body


def _say_ended(import_job: str, body: Json, *, asked: bool = False) -> int:
    """A run that ended otherwise before it could be cancelled is not what was wanted."""
    phase = phase_of(body)
    counts = (body.get("status") or {}).get("progress") or {}
    told = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("imported", "failed", "skipped"))
    if phase == Phase.CANCELLED:
        sys.stdout.write(f"importjob/{import_job} {'is cancelled' if asked else 'was cancelled before'} ({told})\n")
        return FINE
    sys.stdout.write(f"importjob/{import_job} has ended already: {phase} ({told}); there is nothing to cancel\n")
    return BAD
