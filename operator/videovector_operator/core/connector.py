"""Connector decisions: when to test the connection, and the status after a test. Pure. What a test means: `connection`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from videovector_operator.api.v1alpha1.connector import Connector, ConnectorStatus
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.core import conditions, names
from videovector_operator.core.conditions import State, Verdict, shorten
from videovector_operator.core.connection import (
    TestOutcome,
    Versions,
    bear_failure,
    judge_test,
    location_of,
    may_pass,
    notice_borne_failure,
    unknown_permissions,
)
from videovector_operator.core.durations import parse_duration
from videovector_operator.core.notices import Notice
from videovector_operator.core.paths import export_base_path
from videovector_operator.core.patience import PATIENCE
from videovector_operator.core.retry import backoff_seconds, spread_unit
from videovector_operator.errors import Stalled

_FIRST_RETRY_SECONDS = 5.0
_UNWATCHED_SECONDS = 30.0
_UNWATCHED = frozenset({Reason.CA_BUNDLE_NOT_FOUND, Reason.CA_BUNDLE_INVALID, Reason.SERVICE_ACCOUNT_NOT_FOUND})
"""What is wrong with objects that nobody watches: looking again costs one read, and no request to the storage.

The same goes for an identity of the operator's own that is not there (yet): its service may still be starting."""


@dataclass(frozen=True, slots=True)
class TestDecision:
    """Whether the connection is to be tested now; ``why`` is for the log."""

    due: bool
    why: str


@dataclass(frozen=True, slots=True)
class TestSummary:
    """The status after a test, and what of it is worth an Event although Ready stays as it is."""

    status: ConnectorStatus
    notices: tuple[Notice, ...] = ()


def decide_test(connector: Connector, *, versions: Versions, now: datetime) -> TestDecision:
    """Decide whether the connection is to be tested now.

    ==============================================  ====
    seen                                            test
    ==============================================  ====
    paused                                          no
    never tested, or tested for an older generation yes
    published something else since the last test    yes
    another Secret or CA bundle than then           yes
    a new requestedAt token                         yes
    nextTestAt is past                              yes
    ==============================================  ====
    """
    if connector.is_paused:
        return TestDecision(due=False, why="paused")
    why = _why_test(connector, versions, now)
    return TestDecision(due=why is not None, why=why or "not yet")


def _why_test(connector: Connector, versions: Versions, now: datetime) -> str | None:
    status = connector.status
    token = connector.request_token
    reasons = (
        (
            status.last_tested_at is None or _tested_generation(status) != connector.metadata.generation,
            "new or changed",
        ),
        (not _speaks_of_last_test(status), "paused or failed before"),
        (status.observed_credentials != versions.credentials, "credentials changed"),
        (status.observed_ca_bundle != versions.ca_bundle, "CA bundle changed"),
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
    is_borne = 0 < status.consecutive_failures < PATIENCE and found.status == "True"
    if status.last_test_result == "failed":
        return is_borne or found.message == status.last_test_error
    return found.status == "True"


def summarize_test(connector: Connector, outcome: TestOutcome, *, versions: Versions, now: datetime) -> TestSummary:
    """Build the status after a test that ended at ``now``. Raises Stalled (InvalidSpec) when it names no storage."""
    old = connector.status
    verdict = judge_test(connector, outcome)
    if verdict.state is State.READY:
        return TestSummary(_build_status(connector, verdict, outcome, versions, now))
    borne = bear_failure(connector, verdict, outcome, versions)
    status = _build_status(connector, borne or verdict, outcome, versions, now).model_copy(
        update={
            "last_test_result": "failed",
            "last_test_error": shorten(verdict.message, 2048),
            "consecutive_failures": old.consecutive_failures + 1,
            "next_test_at": _next_test(connector, verdict, outcome, now),
        }
    )
    if borne is None:
        return TestSummary(status)
    seen_before = {"permissions": old.permissions, "sample": old.sample}
    return TestSummary(status.model_copy(update=seen_before), notice_borne_failure(connector, verdict))


def _build_status(
    connector: Connector, verdict: Verdict, outcome: TestOutcome, versions: Versions, now: datetime
) -> ConnectorStatus:
    """The status as of a test that passed, or was not possible."""
    old = connector.status
    generation = connector.metadata.generation
    return ConnectorStatus(
        observed_generation=conditions.observed_generation(
            verdict, previous=old.observed_generation, generation=generation
        ),
        conditions=conditions.build_conditions(verdict, previous=old.conditions, generation=generation, now=now),
        id=names.connector_id(connector.metadata.namespace, connector.metadata.name),
        last_handled_request=connector.request_token,
        location=location_of(connector),
        export_base_path=_effective_base_path(connector),
        last_tested_at=now.replace(microsecond=0),
        last_test_result="passed" if outcome.is_tried else "unknown",
        next_test_at=_next_test(connector, verdict, outcome, now),
        observed_credentials=versions.credentials,
        observed_ca_bundle=versions.ca_bundle,
        permissions=outcome.permissions or unknown_permissions(connector.spec, "not tried: the test ended before"),
        sample=outcome.sample,
        active_runs=old.active_runs,
        queued_runs=old.queued_runs,
    )


def _effective_base_path(connector: Connector) -> str | None:
    try:
        return export_base_path(connector.spec) or None
    except Stalled:
        return None


def _next_test(connector: Connector, verdict: Verdict, outcome: TestOutcome, now: datetime) -> datetime:
    """Next test: after the interval (spread by up to 5 %, so that many Connectors do not test at once), or sooner when
    the failure may pass. A stalled Connector is looked at once an interval too: the fix may be made on the provider's side."""
    interval = parse_duration(connector.spec.validation_interval).total_seconds()
    unit = spread_unit(connector.metadata.uid)
    wait = interval * (1 + 0.05 * unit)
    is_identity_missing = verdict.reason is Reason.INVALID_CREDENTIALS and connector.spec.credentials_secret_ref is None
    if verdict.reason in _UNWATCHED or is_identity_missing:
        wait = min(wait, _UNWATCHED_SECONDS)
    if may_pass(verdict, outcome):
        failures = connector.status.consecutive_failures + 1
        wait = backoff_seconds(failures, first=_FIRST_RETRY_SECONDS, cap=interval, random_unit=unit)
        if outcome.failure is not None and outcome.failure.retry_after:
            wait = max(wait, outcome.failure.retry_after)
    return (now + timedelta(seconds=wait)).replace(microsecond=0)


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
