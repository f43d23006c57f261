"""What a connection test means: the verdict on its outcome, and how much of a flapping endpoint is borne. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from videovector_operator.api.v1alpha1.connector import Connector, ConnectorSpec, PermissionStatus, SampleObject
from videovector_operator.api.v1alpha1.reasons import ConditionType, Reason
from videovector_operator.core import conditions
from videovector_operator.core.conditions import State, Verdict
from videovector_operator.core.failures import Failure
from videovector_operator.core.notices import Notice
from videovector_operator.core.patience import PATIENCE
from videovector_operator.core.sources import build_source, location_of_source

_NEEDED_BY = {"import": ("list", "read"), "export": ("write", "delete")}
"""Actions without which a scope cannot be used."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of the objects that a test reads besides the Connector; None = it reads none."""

    credentials: str | None = None
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """What a test found: permissions and sample, or the failure that ended it.

    ``is_tried`` False = nothing was asked of the storage, because only worker pods have the identity.
    """

    permissions: tuple[PermissionStatus, ...] = ()
    sample: tuple[SampleObject, ...] = ()
    failure: Failure | None = None
    is_tried: bool = True


def location_of(connector: Connector) -> str:
    """Identity of the storage location that the Connector names. Raises Stalled (InvalidSpec)."""
    return location_of_source(build_source(connector.spec))


def unknown_permissions(spec: ConnectorSpec, why: str) -> tuple[PermissionStatus, ...]:
    """Say of every action that would be tested that it was not."""
    return tuple(PermissionStatus(action=action, result="unknown", message=why) for action in _tested_actions(spec))


def _tested_actions(spec: ConnectorSpec) -> Iterable[str]:
    """List and read always; write and delete change something in somebody's bucket, so only where exports are allowed."""
    return _NEEDED_BY["import"] + (_NEEDED_BY["export"] if "export" in spec.scopes else ())


def judge_test(connector: Connector, outcome: TestOutcome) -> Verdict:
    """Say what the outcome of a test means for the Connector."""
    if outcome.failure is not None:
        return outcome.failure.verdict
    where = location_of(connector)
    if not outcome.is_tried:
        message = (
            f"{where}: not tested: only worker pods have the identity of the service account "
            f"{connector.spec.service_account_name!r}; whether it has access shows at the first run"
        )
        return conditions.ready(Reason.CONNECTION_NOT_TESTED, message)
    return _judge_denials(connector, outcome, where) or conditions.ready(
        Reason.CONNECTION_TESTED, f"{where}: connection works; allowed: {_allowed(outcome.permissions)}"
    )


def _judge_denials(connector: Connector, outcome: TestOutcome, where: str) -> Verdict | None:
    for scope in connector.spec.scopes:
        for permission in outcome.permissions:
            if permission.result == "denied" and permission.action in _NEEDED_BY[scope]:
                detail = permission.message or permission.code or "the provider refused"
                message = (
                    f"{where}: {permission.action} is denied: {detail}. Allow it for these credentials, "
                    f"or take {scope} out of spec.scopes"
                )
                return conditions.stalled(Reason.ACCESS_DENIED, message)
    return None


def _allowed(permissions: Iterable[PermissionStatus]) -> str:
    return ", ".join(each.action for each in permissions if each.result == "allowed") or "nothing"


def may_pass(verdict: Verdict, outcome: TestOutcome) -> bool:
    """Whether the same test may succeed soon although nobody changes anything.

    Also an answer that is no storage server's may pass: while a gateway is restarted, something else answers in its place.
    """
    is_strange = outcome.failure is not None and outcome.failure.is_strange
    return verdict.state is State.RETRYING or is_strange


def bear_failure(connector: Connector, verdict: Verdict, outcome: TestOutcome, versions: Versions) -> Verdict | None:
    """The verdict to publish instead of ``verdict`` while one failure more says too little; None = publish it.

    Borne are failures that may pass, of a connection that has been proven for this spec, Secret and CA bundle, fewer than
    `PATIENCE` in a row. What only the user can fix acts at once.
    """
    failures = connector.status.consecutive_failures + 1
    if not may_pass(verdict, outcome) or failures >= PATIENCE or not _is_proven(connector, versions):
        return None
    message = (
        f"{location_of(connector)}: connection works; allowed: {_allowed(connector.status.permissions)}; but the last "
        f"{'test' if failures == 1 else f'{failures} tests'} failed (Ready becomes False after {PATIENCE}): {verdict.message}"
    )
    return conditions.ready(Reason.CONNECTION_TESTED, message)


def _is_proven(connector: Connector, versions: Versions) -> bool:
    status = connector.status
    found = conditions.find_condition(status.conditions, ConditionType.READY)
    return (
        found is not None
        and (found.status, found.reason) == ("True", Reason.CONNECTION_TESTED)
        and found.observed_generation == connector.metadata.generation
        and versions == Versions(status.observed_credentials, status.observed_ca_bundle)
    )


def notice_borne_failure(connector: Connector, verdict: Verdict) -> tuple[Notice, ...]:
    """One Event a row of borne failures: at its first."""
    if connector.status.consecutive_failures > 0:
        return ()
    return (Notice("Warning", verdict.reason, f"{verdict.message} (Ready stays True; tried again)"),)
