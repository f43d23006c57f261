from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.kstatus import check_status
from tests.support.samples import NOW, make_connector
from videovector_operator.api.v1alpha1.connector import Connector, PermissionStatus, SampleObject
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import conditions, names
from videovector_operator.core.connector import (
    TestOutcome as Outcome,
)
from videovector_operator.core.connector import (
    decide_test,
    judge_test,
    keep_paused,
    location_of,
    summarize_connector,
)
from videovector_operator.core.failures import Failure, classify_failure
from videovector_operator.errors import AccessDenied, ClusterError, Throttled, Unavailable

Json = dict[str, Any]
ALLOWED = Outcome(
    permissions=(
        PermissionStatus(action="list", result="allowed"),
        PermissionStatus(action="read", result="allowed"),
    ),
    sample=(SampleObject(path="a.mp4", size_bytes=1, last_modified=NOW),),
)
DOWN = Outcome(failure=classify_failure(Unavailable("no answer")))
VERSION = "uid/1"


def status_after(outcome: Outcome = ALLOWED, *, at: datetime = NOW, version: str = VERSION, **changes: Any) -> Json:
    """Status after a test of a Connector of generation 1."""
    status = summarize_connector(make_connector(**changes), outcome, credentials_version=version, now=at)
    return status.model_dump(mode="json", by_alias=True)


def annotated(**annotations: str) -> Json:
    return {"annotations": {f"videovector.io/{name}": value for name, value in annotations.items()}}


def after_failed_look(status: Json) -> Json:
    """Status after a look that could not reach the API server."""
    verdict = classify_failure(ClusterError("the API server did not answer")).verdict
    old = make_connector(status=status).status
    built = conditions.build_conditions(verdict, previous=old.conditions, generation=1, now=NOW)
    return old.model_copy(update={"conditions": built}).model_dump(mode="json", by_alias=True)


def paused_status(status: Json, generation: int) -> Json:
    paused = make_connector(status=status, generation=generation, meta=annotated(paused="true"))
    return keep_paused(paused, NOW).model_dump(mode="json", by_alias=True)


DUE = {
    "never tested": (make_connector(), "new or changed"),
    "tested for an older generation": (make_connector(generation=2, status=status_after()), "new or changed"),
    "tested with other credentials": (make_connector(status=status_after(version="uid/0")), "credentials changed"),
    "a test is requested": (make_connector(status=status_after(), meta=annotated(requestedAt="t1")), "requested"),
    "the interval is over": (make_connector(status=status_after(at=NOW - timedelta(minutes=11))), "interval"),
    "the last look failed": (make_connector(status=after_failed_look(status_after())), "paused or failed before"),
    "the last look failed after a failed test": (
        make_connector(status=after_failed_look(status_after(DOWN))),
        "paused or failed before",
    ),
    "it was changed while it was paused": (
        make_connector(generation=2, status=paused_status(status_after(), 2)),
        "paused or failed before",
    ),
}
NOT_DUE = {
    "tested a moment ago": (make_connector(status=status_after()), "not yet"),
    "failed a moment ago": (make_connector(status=status_after(DOWN)), "not yet"),
    "paused though never tested": (make_connector(meta=annotated(paused="true")), "paused"),
    "paused though requested": (make_connector(meta=annotated(paused=" True ", requestedAt="t1")), "paused"),
    "the request was handled": (
        make_connector(
            status=status_after(meta=annotated(requestedAt="t1")),
            meta=annotated(requestedAt="t1"),
        ),
        "not yet",
    ),
    "the request was taken back": (make_connector(status=status_after(meta=annotated(requestedAt="t1"))), "not yet"),
}


@pytest.mark.parametrize("name", DUE)
def test_a_test_is_due(name: str) -> None:
    connector, why = DUE[name]
    decision = decide_test(connector, credentials_version=VERSION, now=NOW)
    assert (decision.due, decision.why) == (True, why)


@pytest.mark.parametrize("name", NOT_DUE)
def test_a_test_is_not_due(name: str) -> None:
    connector, why = NOT_DUE[name]
    decision = decide_test(connector, credentials_version=VERSION, now=NOW)
    assert (decision.due, decision.why) == (False, why)


def denied(action: str, **words: str) -> Outcome:
    return Outcome(permissions=(PermissionStatus(action=action, result="denied", **words),))


@pytest.mark.parametrize("action", ["list", "read"])
def test_an_import_needs_list_and_read(action: str) -> None:
    verdict = judge_test(make_connector(), denied(action, message="not authorized", code="AccessDenied"))
    assert (verdict.state, verdict.reason) == (conditions.State.STALLED, Reason.ACCESS_DENIED)
    assert f"s3://footage: {action} is denied: not authorized. Allow it" in verdict.message


@pytest.mark.parametrize(
    ("words", "expected"),
    [({"code": "AccessDenied"}, "denied: AccessDenied."), ({}, "denied: the provider refused.")],
)
def test_a_refusal_without_words_still_reads_well(words: dict[str, str], expected: str) -> None:
    assert expected in judge_test(make_connector(), denied("read", **words)).message


def test_an_export_does_not_need_read() -> None:
    verdict = judge_test(make_connector(scopes=["export"]), denied("read"))
    assert (verdict.state, verdict.message) == (
        conditions.State.READY,
        "s3://footage: connection works; allowed: nothing",
    )


def test_a_refused_write_is_no_obstacle_to_an_import() -> None:
    assert judge_test(make_connector(), denied("write")).state is conditions.State.READY


def test_what_is_allowed_is_said() -> None:
    assert judge_test(make_connector(), ALLOWED).message == "s3://footage: connection works; allowed: list, read"


def test_a_passed_test_is_summarized() -> None:
    status = summarize_connector(
        make_connector(generation=3, meta=annotated(requestedAt="t1")),
        ALLOWED,
        credentials_version=VERSION,
        now=NOW + timedelta(microseconds=5),
    )
    assert status.observed_generation == 3
    assert status.id == names.connector_id("media", "footage")
    assert (status.last_test_result, status.last_test_error, status.consecutive_failures) == ("passed", None, 0)
    assert (status.last_tested_at, status.last_handled_request) == (NOW, "t1")
    assert (status.location, status.observed_credentials) == ("s3://footage", VERSION)
    assert (status.permissions, status.sample) == (ALLOWED.permissions, ALLOWED.sample)


def test_failures_in_a_row_are_counted_and_a_pass_ends_the_row() -> None:
    status = status_after(DOWN)
    assert (status["lastTestResult"], status["lastTestError"], status["consecutiveFailures"]) == (
        "failed",
        "no answer",
        1,
    )
    assert status["observedGeneration"] == -1
    again = summarize_connector(make_connector(status=status), DOWN, credentials_version=VERSION, now=NOW)
    assert again.consecutive_failures == 2
    healed = summarize_connector(make_connector(status=status), ALLOWED, credentials_version=VERSION, now=NOW)
    assert (healed.consecutive_failures, healed.last_test_error) == (0, None)


def wait_of(connector: Connector, outcome: Outcome) -> float:
    status = summarize_connector(connector, outcome, credentials_version=VERSION, now=NOW)
    assert status.next_test_at is not None
    return (status.next_test_at - NOW).total_seconds()


WAITS = {
    "a passed test waits for the interval and up to a twentieth": (make_connector(), ALLOWED, (600, 630)),
    "so does a denial, for the fix may be made at the provider": (
        make_connector(),
        Outcome(failure=classify_failure(AccessDenied("no"))),
        (600, 630),
    ),
    "a first failure comes back soon": (make_connector(), DOWN, (3, 6)),
    "later ones later": (make_connector(status={"consecutiveFailures": 3}), DOWN, (31, 48)),
    "but not much later than the interval": (make_connector(status={"consecutiveFailures": 50}), DOWN, (479, 720)),
    "a provider that says when is obeyed": (
        make_connector(),
        Outcome(failure=Failure(classify_failure(Throttled("slow")).verdict, 90.0)),
        (90, 90),
    ),
    "a short interval holds": (make_connector(validationInterval="30s"), ALLOWED, (29, 32)),
}


@pytest.mark.parametrize("name", WAITS)
def test_the_next_test(name: str) -> None:
    connector, outcome, (low, high) = WAITS[name]
    assert low <= wait_of(connector, outcome) <= high


def test_connectors_do_not_test_all_at_once() -> None:
    waits = {
        wait_of(make_connector(meta={"uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, str(n)))}), ALLOWED) for n in range(50)
    }
    assert len(waits) > 15


def test_a_paused_connector_keeps_the_words_of_its_last_test() -> None:
    status = status_after()
    assert paused_status(status, 1) == status


def test_a_paused_connector_that_was_never_tested_says_how_to_go_on() -> None:
    status = keep_paused(make_connector(meta=annotated(paused="true")), NOW)
    assert status.id == names.connector_id("media", "footage")
    assert [(c.type, c.status, c.reason) for c in status.conditions] == [
        ("Ready", "Unknown", "Paused"),
        ("Reconciling", "True", "Paused"),
    ]
    assert "remove the annotation videovector.io/paused" in status.conditions[0].message
    assert paused_status(status.model_dump(mode="json", by_alias=True), 1) == status.model_dump(
        mode="json", by_alias=True
    )


def test_a_pause_takes_a_failed_look_back() -> None:
    assert paused_status(after_failed_look(status_after()), 1)["conditions"][0]["reason"] == "Paused"


@pytest.mark.parametrize("outcome", [ALLOWED, DOWN, denied("list")])
@pytest.mark.parametrize("before", [None, status_after(), status_after(DOWN), status_after(denied("read"))])
def test_every_test_leaves_a_status_in_order(outcome: Outcome, before: Json | None) -> None:
    connector = make_connector(generation=2, status=before)
    status = summarize_connector(connector, outcome, credentials_version=None, now=NOW)
    seen = {"metadata": {"generation": 2}, "status": status.model_dump(mode="json", by_alias=True)}
    assert check_status(seen, end_of_pass=True) == []


def test_a_connector_without_a_block_has_no_location() -> None:
    assert location_of(make_connector(s3=None)) == ""
    assert location_of(make_connector(s3={"bucket": "b3b", "region": "x", "endpoint": "http://h:9"})) == "s3://b3b@h:9"
