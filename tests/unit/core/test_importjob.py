"""When a run begins and when it does not, and with which spec."""

from __future__ import annotations

import pytest

from tests.support.samples import make_connector, make_import, make_index, ready_status
from tests.unit.core.seen_imports import CONNECTOR, FRESH, LET_GO, PAUSE, limit_to, seen
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import names
from videovector_operator.core.conditions import State
from videovector_operator.core.import_seen import Observed
from videovector_operator.core.importjob import AdmitRun, EnsureChild, build_run_spec, decide_import

STARTS = {
    "all is there": (make_import(), FRESH),
    "the Index is not summarized yet": (make_import(), seen(index=make_index(status={"observedGeneration": -1}))),
    "an old request token is there": (make_import(meta={"annotations": {"videovector.io/requestedAt": "t"}}), FRESH),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_run_starts_when(name: str) -> None:
    job, observed = STARTS[name]
    decision = decide_import(job, observed)
    assert decision.blocked is None
    assert decision.actions == (AdmitRun(build_run_spec(job, CONNECTOR), None), EnsureChild(CONNECTOR), LET_GO)


def test_the_limit_of_requests_is_known_before_the_first_pod_may_start() -> None:
    limited = make_connector(maxRequestsPerSecond=50, status=ready_status())
    decision = decide_import(make_import(), seen(connector=limited))
    admit = AdmitRun(build_run_spec(make_import(), limited), None)
    assert decision.actions == (admit, limit_to(50), EnsureChild(limited), LET_GO)


BLOCKED: dict[str, tuple[ImportJob, Observed, State, Reason, str]] = {
    "there is no Connector": (
        make_import(),
        seen(connector=None),
        State.STALLED,
        Reason.CONNECTOR_NOT_FOUND,
        "spec.connectorRef.name: there is no Connector 'footage' in namespace 'media'; create it",
    ),
    "there is no Index": (
        make_import(),
        seen(index=None),
        State.STALLED,
        Reason.INDEX_NOT_FOUND,
        "spec.indexRef.name: there is no Index 'films' in namespace 'media'; create it",
    ),
    "the Index is being deleted": (
        make_import(),
        seen(index=make_index(meta={"deletionTimestamp": "2026-05-01T00:00:00Z"})),
        State.STALLED,
        Reason.INDEX_NOT_FOUND,
        "spec.indexRef.name: Index 'films' in namespace 'media' is being deleted; create it again",
    ),
    "the Connector is for exports": (
        make_import(),
        seen(connector=make_connector(scopes=["export"], status=ready_status())),
        State.STALLED,
        Reason.SCOPE_NOT_ALLOWED,
        "Connector 'footage' does not have the scope import; add import to its spec.scopes",
    ),
    "the pattern makes no sense": (
        make_import(filePattern="{a,b}" * 30),
        FRESH,
        State.STALLED,
        Reason.INVALID_PATTERN,
        "spec.filePattern",
    ),
    "the pattern makes no sense and there is no Connector either": (
        make_import(filePattern="{a,b}" * 30),
        seen(connector=None),
        State.STALLED,
        Reason.INVALID_PATTERN,
        "spec.filePattern",
    ),
    "the Connector was not tested yet": (
        make_import(),
        seen(connector=make_connector()),
        State.PROGRESSING,
        Reason.CONNECTOR_NOT_READY,
        "waiting for Connector 'footage' to be ready",
    ),
    "the Connector's test failed": (
        make_import(),
        seen(connector=make_connector(status=ready_status(status="False", reason="AccessDenied"))),
        State.PROGRESSING,
        Reason.CONNECTOR_NOT_READY,
        "to be ready: AccessDenied: said before",
    ),
    "the Connector was changed since its test": (
        make_import(),
        seen(connector=make_connector(generation=2, status=ready_status(1))),
        State.PROGRESSING,
        Reason.CONNECTOR_NOT_READY,
        "waiting for Connector",
    ),
    "it is paused": (
        make_import(meta=PAUSE),
        FRESH,
        State.PROGRESSING,
        Reason.PAUSED,
        "remove the annotation videovector.io/paused to start",
    ),
    "it is cancelled, whatever else is wrong": (
        make_import(cancel=True),
        seen(connector=None, index=None),
        State.STALLED,
        Reason.CANCELLED,
        "cancelled before it began; nothing was imported",
    ),
}


@pytest.mark.parametrize("name", BLOCKED)
def test_a_run_does_not_start_when(name: str) -> None:
    job, observed, state, reason, words = BLOCKED[name]
    decision = decide_import(job, observed)
    assert decision.actions == ()
    assert decision.blocked is not None
    assert (decision.blocked.state, decision.blocked.reason) == (state, reason)
    assert words in decision.blocked.message
    assert decision.blocked.succeeded == ("False" if state is State.STALLED else "Unknown")


def test_the_run_spec_is_read_from_both_objects() -> None:
    job = make_import(sourcePrefix="in/", filePattern="*.mp4", recursive=False, failureThreshold="10%")
    s3 = {"bucket": "footage", "region": "eu", "endpoint": "https://minio:9000", "forcePathStyle": True}
    spec = build_run_spec(job, make_connector(importMode="new_only", s3=s3))
    assert (spec.run_id, spec.namespace, spec.name) == (names.import_run_id("uid-of-first"), "media", "first")
    assert spec.index_id == names.index_id("media", "films")
    assert spec.connector_id == names.connector_id("media", "footage")
    assert (spec.location, spec.source_prefix, spec.file_pattern) == ("s3://footage@minio:9000", "in/", "*.mp4")
    assert (spec.recursive, spec.import_mode, spec.failure_threshold) == (False, "new_only", "10%")
    assert spec.source == {"provider": "s3", **s3}
    assert "accessKeyId" not in str(spec)


@pytest.mark.parametrize(
    ("of_job", "of_connector", "expected"),
    [(None, "all", "all"), (None, "new_only", "new_only"), ("all", "new_only", "all"), ("new_only", "all", "new_only")],
)
def test_the_import_mode_of_the_job_goes_before_the_connectors(
    of_job: str | None, of_connector: str, expected: str
) -> None:
    job = make_import(**({"importMode": of_job} if of_job else {}))
    assert build_run_spec(job, make_connector(importMode=of_connector)).import_mode == expected


@pytest.mark.parametrize(("threshold", "expected"), [(None, None), (0, "0"), (7, "7"), ("0%", "0%")])
def test_the_failure_threshold_stays_the_users_text(threshold: int | str | None, expected: str | None) -> None:
    job = make_import(**({} if threshold is None else {"failureThreshold": threshold}))
    assert build_run_spec(job, CONNECTOR).failure_threshold == expected


@pytest.mark.parametrize(
    ("scopes", "base", "expected"),
    [
        (["import", "export"], "exports/team-a/", "exports/team-a/"),
        (["import", "export"], "exports", "exports/"),
        (["import", "export"], None, ""),
        (["import"], "exports", ""),
    ],
)
def test_what_the_connector_exports_is_left_out(scopes: list[str], base: str | None, expected: str) -> None:
    connector = make_connector(scopes=scopes, exportBasePath=base)
    assert build_run_spec(make_import(), connector).excluded_prefix == expected
