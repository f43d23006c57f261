"""What is not in the tables of `test_importjob`: the grace of new objects, turns, and strangers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.samples import make_connector, make_import, make_index, ready_status
from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core.conditions import State
from videovector_operator.core.import_seen import Observed
from videovector_operator.core.import_start import GRACE_SECONDS, check_start
from videovector_operator.core.turns import Place

GOING = {"deletionTimestamp": "2026-05-01T00:00:00Z"}


def connector(**changes: Any) -> Connector:
    return make_connector(**{"status": ready_status(), "maxConcurrentRuns": 2, **changes})


FRESH = Observed(connector=connector(), index=make_index(), child=None, run=None)


def seen(**changes: Any) -> Observed:
    return replace(FRESH, **changes)


MISSING: dict[str, tuple[dict[str, Any], Reason]] = {
    "there is no Connector": ({"connector": None}, Reason.CONNECTOR_NOT_FOUND),
    "the Connector is going": ({"connector": connector(meta=GOING)}, Reason.CONNECTOR_NOT_FOUND),
    "there is no Index": ({"index": None}, Reason.INDEX_NOT_FOUND),
    "the Index is going": ({"index": make_index(meta=GOING)}, Reason.INDEX_NOT_FOUND),
}


@pytest.mark.parametrize(("age", "state"), [(0.0, State.PROGRESSING), (9.9, State.PROGRESSING), (10.0, State.STALLED)])
@pytest.mark.parametrize("name", MISSING)
def test_what_a_new_import_names_may_come_after_it(name: str, age: float, state: State) -> None:
    changes, reason = MISSING[name]
    verdict = check_start(make_import(), seen(age_seconds=age, **changes))
    assert verdict is not None
    assert (verdict.state, verdict.reason) == (state, reason)
    assert "create it" in verdict.message


@pytest.mark.parametrize(
    ("observed", "reason"),
    [
        (seen(connector=connector(scopes=["export"])), Reason.SCOPE_NOT_ALLOWED),
        (seen(connector=connector(scopes=["export"]), place=Place(2)), Reason.SCOPE_NOT_ALLOWED),
    ],
)
def test_nothing_else_gets_a_grace(observed: Observed, reason: Reason) -> None:
    verdict = check_start(make_import(), replace(observed, age_seconds=0.0))
    assert verdict is not None
    assert (verdict.state, verdict.reason) == (State.STALLED, reason)
    assert GRACE_SECONDS == 10.0


SECOND, REFUSED = Place(2), Place(1, is_refused=True)
UNTESTED = connector(status={})
FAILED = connector(status=ready_status(status="False", reason="AccessDenied"))
CHANGED = connector(generation=2)
ORDER: dict[str, tuple[Observed, Reason | None]] = {
    "it is its turn": (seen(), None),
    "it is not its turn": (seen(place=SECOND), Reason.QUEUED),
    "all places are taken": (seen(place=REFUSED), Reason.QUEUED),
    "no limit": (seen(connector=connector(maxConcurrentRuns=None), place=SECOND), None),
    "not its turn, and the Connector does not work": (
        seen(connector=FAILED, place=SECOND),
        Reason.CONNECTOR_NOT_READY,
    ),
    "not its turn, and the Connector was never tested": (
        seen(connector=UNTESTED, place=SECOND),
        Reason.CONNECTOR_NOT_READY,
    ),
    "not its turn, and the Connector was changed": (seen(connector=CHANGED, place=SECOND), Reason.QUEUED),
    "its turn, and the Connector was changed": (seen(connector=CHANGED), Reason.CONNECTOR_NOT_READY),
    "its turn, and a stranger's Job has its name": (seen(stranger="vv-import-x-1"), Reason.WORKER_NOT_STARTING),
    "not its turn, and a stranger's Job has its name": (
        seen(stranger="vv-import-x-1", place=SECOND),
        Reason.WORKER_NOT_STARTING,
    ),
}


@pytest.mark.parametrize("name", ORDER)
def test_what_is_said_first(name: str) -> None:
    observed, reason = ORDER[name]
    verdict = check_start(make_import(), observed)
    assert (None if verdict is None else verdict.reason) == reason


def test_a_strangers_job_is_named_with_the_command_that_helps() -> None:
    verdict = check_start(make_import(), seen(stranger="vv-import-x-1"))
    assert verdict is not None
    assert verdict.state is State.RETRYING
    assert verdict.message == (
        "there is a batch/v1 Job 'vv-import-x-1' in namespace 'media' that does not belong to this ImportJob, and its worker Job "
        "must have that name; delete it: kubectl -n media delete job vv-import-x-1"
    )
