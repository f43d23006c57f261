"""`test`: ask the operator for a fresh connection test of a Connector, and say what it found."""

from __future__ import annotations

import sys
from typing import Any

from videovector_operator.cli.failures import BAD, FINE, bad, unreachable
from videovector_operator.cli.output import Cell, Colour, TableWriter, paint, printable, working
from videovector_operator.cli.polling import Polls
from videovector_operator.cli.ports import Clock, Session
from videovector_operator.cli.standing import Standing, is_outdated, is_paused, read_standing
from videovector_operator.core import names
from videovector_operator.core.patience import PATIENCE

Json = dict[str, Any]
_POLL_SECONDS = 0.3
_COLOURS = {"allowed": Colour.GOOD, "denied": Colour.WRONG, "unknown": Colour.WAITING}


def test_connection(session: Session, connector: str, *, token: str, timeout_seconds: float, clock: Clock) -> int:
    """Request a test, wait for its result and print it; answers the exit code. Raises CommandError."""
    patch = {"metadata": {"annotations": {names.REQUESTED_AT: token}}}
    body = session.kubernetes.patch("Connector", session.namespace, connector, patch)
    if body is None:
        raise bad(f'there is no Connector "{connector}" in namespace "{session.namespace}"')
    if is_paused(body):
        raise bad(
            f'Connector "{connector}" is paused and is not tested: take the annotation {names.PAUSED} away '
            f"(kubectl annotate connector {connector} {names.PAUSED}-)"
        )
    with working(f"the operator tests {connector}"):
        body = _wait(session, connector, token, timeout_seconds, clock)
    return _report(connector, body)


def _wait(session: Session, connector: str, token: str, timeout_seconds: float, clock: Clock) -> Json:
    deadline, polls = clock.now() + timeout_seconds, Polls(clock)
    while True:
        body = polls.ask(lambda: _get(session, connector))
        if body is not None and (body.get("status") or {}).get("lastHandledRequest") == token and not is_outdated(body):
            return body
        if clock.now() >= deadline:
            raise unreachable(
                f'the operator has not tested Connector "{connector}" within {timeout_seconds:g} s: does it run, and does it '
                f'watch namespace "{session.namespace}"? The request stays; its result will be in the Connector\'s status'
            )
        clock.sleep(_POLL_SECONDS)


def _get(session: Session, connector: str) -> Json:
    body = session.kubernetes.get("Connector", session.namespace, connector)
    if body is None:
        raise bad(f'Connector "{connector}" was deleted meanwhile')
    return body


def _report(connector: str, body: Json) -> int:
    status = body["status"]
    seen = read_standing(body)
    if seen.standing is Standing.DEGRADED:
        return _report_borne_failure(connector, status)
    permissions = status.get("permissions") or ()
    if permissions:
        table = TableWriter(("ACTION", "RESULT", "CODE", "MESSAGE"))
        table.write(
            (
                entry["action"],
                Cell(entry["result"], _COLOURS.get(entry["result"], Colour.PLAIN)),
                entry.get("code") or "-",
                entry.get("message") or "-",
            )
            for entry in permissions
        )
        sys.stdout.write("\n")
    is_good = seen.standing is Standing.READY
    verdict = paint(seen.reason or seen.standing, Colour.GOOD if is_good else Colour.WRONG, sys.stdout)
    sys.stdout.write(f"connector/{connector} {verdict}: {printable(seen.message)}\n")
    return FINE if is_good else BAD


def _report_borne_failure(connector: str, status: Json) -> int:
    """Ready bears a failure or two of a proven connection, and its permissions are those of before; this test has failed."""
    verdict = paint("test failed", Colour.WRONG, sys.stdout)
    sys.stdout.write(
        f"connector/{connector} {verdict}: {printable(status.get('lastTestError') or 'the operator does not say why')}\n"
        f"It is still Ready: {status.get('consecutiveFailures', 1)} failed in a row, {PATIENCE} make it not Ready\n"
    )
    return BAD
