from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.kstatus import check_status
from tests.support.samples import NOW, make_connector
from videovector_operator.api.v1alpha1.connector import Connector, PermissionStatus, SampleObject
from videovector_operator.core import conditions, names
from videovector_operator.core.connection import TestOutcome as Outcome
from videovector_operator.core.connection import Versions
from videovector_operator.core.connector import decide_test, keep_paused, summarize_test
from videovector_operator.core.failures import classify_failure
from videovector_operator.errors import (
    AccessDenied,
    ClusterError,
    Invalid,
    InvalidCredentials,
    Stalled,
    Throttled,
    Unavailable,
)

Json = dict[str, Any]
ALLOWED = Outcome(
    permissions=(
        PermissionStatus(action="list", result="allowed"),
        PermissionStatus(action="read", result="allowed"),
    ),
    sample=(SampleObject(path="a.mp4", size_bytes=1, last_modified=NOW),),
)
DOWN = Outcome(failure=classify_failure(Unavailable("no answer")))
REFUSED = Outcome(failure=classify_failure(AccessDenied("no")))
STRANGE = Outcome(failure=classify_failure(Invalid("not S3")))
VERSIONS = Versions("uid/1", "ca/1")


def status_after(
    *outcomes: Outcome,
    at: datetime = NOW,
    versions: Versions = VERSIONS,
    status: Json | None = None,
    **changes: Any,
) -> Json:
    """Status after tests of a Connector of generation 1, one after the other."""
    for outcome in outcomes or (ALLOWED,):
        connector = make_connector(status=status, **changes)
        status = summarize_test(connector, outcome, versions=versions, now=at).status.model_dump(
            mode="json", by_alias=True
        )
    assert status is not None
    return status


NOT_TRIED = Outcome(is_tried=False)


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
    "tested with other credentials": (
        make_connector(status=status_after(versions=Versions("uid/0", "ca/1"))),
        "credentials changed",
    ),
    "tested with another CA bundle": (
        make_connector(status=status_after(versions=Versions("uid/1", "ca/0"))),
        "CA bundle changed",
    ),
    "a borne failure's time has come": (
        make_connector(status=status_after(ALLOWED, DOWN, at=NOW - timedelta(seconds=7))),
        "interval",
    ),
    "the last look failed after a borne failure": (
        make_connector(status=after_failed_look(status_after(ALLOWED, DOWN))),
        "paused or failed before",
    ),
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
    "failed a moment ago after it had passed": (make_connector(status=status_after(ALLOWED, DOWN)), "not yet"),
    "failed so often that Ready is False": (make_connector(status=status_after(ALLOWED, DOWN, DOWN, DOWN)), "not yet"),
    "could not be tested": (make_connector(status=status_after(NOT_TRIED)), "not yet"),
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
    decision = decide_test(connector, versions=VERSIONS, now=NOW)
    assert (decision.due, decision.why) == (True, why)


@pytest.mark.parametrize("name", NOT_DUE)
def test_a_test_is_not_due(name: str) -> None:
    connector, why = NOT_DUE[name]
    decision = decide_test(connector, versions=VERSIONS, now=NOW)
    assert (decision.due, decision.why) == (False, why)


def test_a_passed_test_is_summarized() -> None:
    connector = make_connector(
        generation=3,
        meta=annotated(requestedAt="t1"),
        exportBasePath="expo\u0301rts/",
        status={"activeRuns": 2, "queuedRuns": 1},
    )
    summary = summarize_test(connector, ALLOWED, versions=VERSIONS, now=NOW + timedelta(microseconds=5))
    status = summary.status
    assert status.observed_generation == 3
    assert status.id == names.connector_id("media", "footage")
    assert (status.last_test_result, status.last_test_error, status.consecutive_failures) == ("passed", None, 0)
    assert (status.last_tested_at, status.last_handled_request) == (NOW, "t1")
    assert (status.location, status.export_base_path) == ("s3://footage", "exp\u00f3rts")
    assert (status.observed_credentials, status.observed_ca_bundle) == ("uid/1", "ca/1")
    assert (status.permissions, status.sample) == (ALLOWED.permissions, ALLOWED.sample)
    assert (status.active_runs, status.queued_runs) == (2, 1)
    assert summary.notices == ()


def test_a_base_path_that_is_refused_is_not_shown_as_in_force() -> None:
    failure = classify_failure(Stalled("InvalidSpec", "spec.exportBasePath has the segment '..'"))
    status = status_after(Outcome(failure=failure), exportBasePath="a/../b")
    assert status["exportBasePath"] is None
    assert status["lastTestError"] == "spec.exportBasePath has the segment '..'"


def test_failures_in_a_row_are_counted_and_a_pass_ends_the_row() -> None:
    status = status_after(DOWN)
    assert (status["lastTestResult"], status["lastTestError"], status["consecutiveFailures"]) == (
        "failed",
        "no answer",
        1,
    )
    assert status["observedGeneration"] == -1
    assert status_after(DOWN, DOWN)["consecutiveFailures"] == 2
    healed = status_after(DOWN, DOWN, ALLOWED)
    assert (healed["consecutiveFailures"], healed["lastTestError"]) == (0, None)


@pytest.mark.parametrize(("scopes", "actions"), [(["import"], 2), (["export"], 4), (["import", "export"], 4)])
def test_what_a_failed_test_did_not_reach_is_unknown(scopes: list[str], actions: int) -> None:
    permissions = status_after(REFUSED, scopes=scopes)["permissions"]
    assert [each["action"] for each in permissions] == ["list", "read", "write", "delete"][:actions]
    assert {each["result"] for each in permissions} == {"unknown"}


def words_of(status: Json) -> tuple[str, str]:
    ready = status["conditions"][0]
    return ready["status"], ready["reason"]


FLAPS: dict[str, tuple[list[Outcome], tuple[str, str]]] = {
    "one failure": ([ALLOWED, DOWN], ("True", "ConnectionTested")),
    "two failures": ([ALLOWED, DOWN, DOWN], ("True", "ConnectionTested")),
    "three failures": ([ALLOWED, DOWN, DOWN, DOWN], ("False", "StorageUnavailable")),
    "a pass in between": ([ALLOWED, DOWN, DOWN, ALLOWED, DOWN, DOWN], ("True", "ConnectionTested")),
    "one pass is enough": ([ALLOWED, DOWN, DOWN, DOWN, ALLOWED], ("True", "ConnectionTested")),
    "again after it was down": ([ALLOWED, DOWN, DOWN, DOWN, ALLOWED, DOWN], ("True", "ConnectionTested")),
    "never passed": ([DOWN], ("False", "StorageUnavailable")),
    "a refusal acts at once": ([ALLOWED, REFUSED], ("False", "AccessDenied")),
    "so does one in the middle": ([ALLOWED, DOWN, REFUSED], ("False", "AccessDenied")),
    "no credit after a refusal": ([ALLOWED, REFUSED, DOWN], ("False", "StorageUnavailable")),
    "a web page where the store was": ([ALLOWED, STRANGE, STRANGE], ("True", "ConnectionTested")),
    "that stays": ([ALLOWED, STRANGE, STRANGE, STRANGE], ("False", "InvalidEndpoint")),
    "that was there from the beginning": ([STRANGE], ("False", "InvalidEndpoint")),
    "what the store itself says of the request acts at once": (
        [ALLOWED, Outcome(failure=classify_failure(Invalid("wrong region", "AuthorizationHeaderMalformed")))],
        ("False", "InvalidEndpoint"),
    ),
    "throttling is borne too": (
        [ALLOWED, Outcome(failure=classify_failure(Throttled("slow down")))],
        ("True", "ConnectionTested"),
    ),
    "what could not be tested is not proven": ([NOT_TRIED, DOWN], ("False", "StorageUnavailable")),
}


@pytest.mark.parametrize("name", FLAPS)
def test_a_flapping_endpoint(name: str) -> None:
    outcomes, expected = FLAPS[name]
    assert words_of(status_after(*outcomes)) == expected


def test_a_borne_failure_is_seen() -> None:
    status = status_after(ALLOWED, DOWN)
    assert (status["lastTestResult"], status["lastTestError"], status["consecutiveFailures"]) == (
        "failed",
        "no answer",
        1,
    )
    assert status["observedGeneration"] == 1
    assert status["conditions"][0]["message"] == (
        "s3://footage: connection works; allowed: list, read; but the last test failed (Ready becomes False after 3): no answer"
    )
    assert status["permissions"] == status_after(ALLOWED)["permissions"]
    assert status["sample"] == status_after(ALLOWED)["sample"]
    assert "the last 2 tests failed" in status_after(ALLOWED, DOWN, DOWN)["conditions"][0]["message"]


def test_one_event_tells_of_a_row_of_borne_failures() -> None:
    def notices(*outcomes: Outcome) -> list[tuple[str, str]]:
        connector = make_connector(status=status_after(*outcomes))
        summary = summarize_test(connector, DOWN, versions=VERSIONS, now=NOW)
        return [(notice.type, notice.reason.value) for notice in summary.notices]

    assert notices(ALLOWED) == [("Warning", "StorageUnavailable")]
    assert notices(ALLOWED, DOWN) == []
    assert notices(ALLOWED, DOWN, DOWN) == []


NOT_PROVEN = {
    "for this generation": (2, VERSIONS),
    "with these credentials": (1, Versions("uid/2", "ca/1")),
    "with this CA bundle": (1, Versions("uid/1", "ca/2")),
}


@pytest.mark.parametrize("name", NOT_PROVEN)
def test_what_was_not_proven_gets_no_patience(name: str) -> None:
    generation, versions = NOT_PROVEN[name]
    connector = make_connector(status=status_after(), generation=generation)
    status = summarize_test(connector, DOWN, versions=versions, now=NOW).status
    assert status.conditions[0].status == "False"


def wait_of(connector: Connector, outcome: Outcome) -> float:
    status = summarize_test(connector, outcome, versions=VERSIONS, now=NOW).status
    assert status.next_test_at is not None
    return (status.next_test_at - NOW).total_seconds()


def stalled_by(reason: str) -> Outcome:
    return Outcome(failure=classify_failure(Stalled(reason, "look there")))


NO_IDENTITY = Outcome(failure=classify_failure(InvalidCredentials("No credentials: name a Secret")))
WAITS = {
    "a passed test waits for the interval and up to a twentieth": (make_connector(), ALLOWED, (600, 630)),
    "so does a denial, for the fix may be made at the provider": (
        make_connector(),
        REFUSED,
        (600, 630),
    ),
    "a borne failure comes back soon too": (make_connector(status=status_after()), DOWN, (3, 6)),
    "and then later": (make_connector(status=status_after(ALLOWED, DOWN)), DOWN, (7, 12)),
    "objects that nobody watches are looked at soon": (make_connector(), stalled_by("CABundleNotFound"), (30, 30)),
    "so is a service account": (make_connector(), stalled_by("ServiceAccountNotFound"), (30, 30)),
    "but not sooner than a test is due": (
        make_connector(validationInterval="10s"),
        stalled_by("CABundleInvalid"),
        (10, 10),
    ),
    "an identity that is not there may be coming": (make_connector(secret=None), NO_IDENTITY, (30, 30)),
    "keys that are refused are in a Secret, which is watched": (make_connector(), NO_IDENTITY, (600, 630)),
    "a web page where the store should be may go away": (make_connector(), STRANGE, (3, 6)),
    "a Secret is watched": (make_connector(), stalled_by("SecretNotFound"), (600, 630)),
    "a first failure comes back soon": (make_connector(), DOWN, (3, 6)),
    "later ones later": (make_connector(status={"consecutiveFailures": 3}), DOWN, (31, 48)),
    "but not much later than the interval": (make_connector(status={"consecutiveFailures": 50}), DOWN, (479, 720)),
    "a provider that says when is obeyed": (
        make_connector(),
        Outcome(failure=classify_failure(Throttled("slow", retry_after=90.0))),
        (90, 90),
    ),
    "up to a limit": (
        make_connector(),
        Outcome(failure=classify_failure(Throttled("slow", retry_after=1e12))),
        (300, 300),
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


@pytest.mark.parametrize("outcome", [ALLOWED, DOWN, REFUSED, NOT_TRIED])
@pytest.mark.parametrize("before", [None, status_after(), status_after(DOWN), status_after(ALLOWED, DOWN)])
def test_every_test_leaves_a_status_in_order(outcome: Outcome, before: Json | None) -> None:
    connector = make_connector(generation=2, status=before)
    status = summarize_test(connector, outcome, versions=Versions(), now=NOW).status
    seen = {"metadata": {"generation": 2}, "status": status.model_dump(mode="json", by_alias=True)}
    assert check_status(seen, end_of_pass=True) == []


def test_a_pause_keeps_a_borne_failure() -> None:
    status = status_after(ALLOWED, DOWN)
    assert paused_status(status, 1) == status


def test_a_connector_that_names_no_storage_has_no_status_of_a_test() -> None:
    with pytest.raises(Stalled, match=r"spec\.s3 must be set"):
        summarize_test(make_connector(s3=None), DOWN, versions=VERSIONS, now=NOW)
