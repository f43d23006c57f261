"""Connector decisions: when to test the connection and what a test means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from videovector_operator.api.v1alpha1.connector import Connector, ConnectorStatus, PermissionStatus, SampleObject
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.core import conditions, names
from videovector_operator.core.conditions import State, Verdict, shorten
from videovector_operator.core.durations import parse_duration
from videovector_operator.core.failures import Failure
from videovector_operator.core.retry import backoff_seconds, spread_unit
from videovector_operator.core.sources import build_source, location_of_source

_FIRST_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TestDecision:
    """Whether the connection is to be tested now; ``why`` is for the log."""

    due: bool
    why: str


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """What a test found: permissions and sample, or the failure that ended it."""

    permissions: tuple[PermissionStatus, ...] = ()
    sample: tuple[SampleObject, ...] = ()
    failure: Failure | None = None


def decide_test(connector: Connector, *, credentials_version: str | None, now: datetime) -> TestDecision:
    """Decide whether the connection is to be tested now.

    ==============================================  ====
    seen                                            test
    ==============================================  ====
    paused                                          no
    never tested, or tested for an older generation yes
    published something else since the last test    yes
    other credentials than at the last test         yes
    a new requestedAt token                         yes
    nextTestAt is past                              yes
    ==============================================  ====
    """
    if connector.is_paused:
        return TestDecision(due=False, why="paused")
    why = _why_test(connector, credentials_version, now)
    return TestDecision(due=why is not None, why=why or "not yet")


def _why_test(connector: Connector, credentials_version: str | None, now: datetime) -> str | None:
    status = connector.status
    token = connector.request_token
    reasons = (
        (
            status.last_tested_at is None or _tested_generation(status) != connector.metadata.generation,
            "new or changed",
        ),
        (not _speaks_of_last_test(status), "paused or failed before"),
        (status.observed_credentials != credentials_version, "credentials changed"),
        (token is not None and token != status.last_handled_request, "requested"),
        (status.next_test_at is None or status.next_test_at <= now, "interval"),
    )
    return next((why for is_due, why in reasons if is_due), None)


def _tested_generation(status: ConnectorStatus) -> int:
    found = conditions.find_condition(status.conditions, ConditionType.READY)
    return found.observed_generation if found is not None else -1


def _speaks_of_last_test(status: ConnectorStatus) -> bool:
    """False when a pause or a failed look was published since the last test: its verdict must be found again."""
    found = conditions.find_condition(status.conditions, ConditionType.READY)
    if found is None:
        return False
    return found.status == "True" if status.last_test_result == "passed" else found.message == status.last_test_error


def location_of(connector: Connector) -> str:
    """Identity of the storage location that the Connector names. Raises Stalled (InvalidSpec)."""
    return location_of_source(build_source(connector.spec))


def judge_test(connector: Connector, outcome: TestOutcome) -> Verdict:
    """Say what the outcome of a test means for the Connector."""
    if outcome.failure is not None:
        return outcome.failure.verdict
    where = location_of(connector)
    if "import" in connector.spec.scopes:
        for permission in outcome.permissions:
            if permission.result == "denied" and permission.action in ("list", "read"):
                detail = permission.message or permission.code or "the provider refused"
                message = (
                    f"{where}: {permission.action} is denied: {detail}. Allow it for these credentials, "
                    "or take import out of spec.scopes"
                )
                return conditions.stalled(Reason.ACCESS_DENIED, message)
    allowed = ", ".join(p.action for p in outcome.permissions if p.result == "allowed") or "nothing"
    return conditions.ready(Reason.CONNECTION_TESTED, f"{where}: connection works; allowed: {allowed}")


def summarize_connector(
    connector: Connector, outcome: TestOutcome, *, credentials_version: str | None, now: datetime
) -> ConnectorStatus:
    """Build the status after a test that ended at ``now``."""
    old = connector.status
    verdict = judge_test(connector, outcome)
    failed = verdict.state is not State.READY
    failures = old.consecutive_failures + 1 if failed else 0
    generation = connector.metadata.generation
    return ConnectorStatus(
        observed_generation=conditions.observed_generation(
            verdict, previous=old.observed_generation, generation=generation
        ),
        conditions=conditions.build_conditions(verdict, previous=old.conditions, generation=generation, now=now),
        id=names.connector_id(connector.metadata.namespace, connector.metadata.name),
        last_handled_request=connector.request_token,
        location=location_of(connector),
        last_tested_at=now.replace(microsecond=0),
        last_test_result="failed" if failed else "passed",
        last_test_error=shorten(verdict.message, 2048) if failed else None,
        next_test_at=_next_test(connector, verdict, outcome, failures, now).replace(microsecond=0),
        consecutive_failures=failures,
        observed_credentials=credentials_version,
        permissions=outcome.permissions,
        sample=outcome.sample,
    )


def _next_test(connector: Connector, verdict: Verdict, outcome: TestOutcome, failures: int, now: datetime) -> datetime:
    """Next test: after the interval (spread by up to 5 %, so that many Connectors do not test at once), or sooner when
    the failure may pass. A stalled Connector is looked at once an interval too: the fix may be made on the provider's side."""
    interval = parse_duration(connector.spec.validation_interval).total_seconds()
    unit = spread_unit(connector.metadata.uid)
    wait = interval * (1 + 0.05 * unit)
    if verdict.state is State.RETRYING:
        wait = backoff_seconds(failures, first=_FIRST_RETRY_SECONDS, cap=interval, random_unit=unit)
        if outcome.failure is not None and outcome.failure.retry_after:
            wait = max(wait, outcome.failure.retry_after)
    return now + timedelta(seconds=wait)


def keep_paused(connector: Connector, now: datetime) -> ConnectorStatus:
    """Status of a paused Connector: what the last test said stays; one never tested says that it waits."""
    old = connector.status
    identity = names.connector_id(connector.metadata.namespace, connector.metadata.name)
    if _speaks_of_last_test(old) and _tested_generation(old) == connector.metadata.generation:
        return old.model_copy(update={"id": identity})
    verdict = conditions.progressing(
        Reason.PAUSED, f"paused: remove the annotation {names.PAUSED} to test the connection"
    )
    built = conditions.build_conditions(
        verdict, previous=old.conditions, generation=connector.metadata.generation, now=now
    )
    return old.model_copy(update={"id": identity, "conditions": built})
