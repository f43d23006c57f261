"""What a connection test means."""

from __future__ import annotations

import pytest

from tests.support.samples import make_connector
from videovector_operator.api.v1alpha1.connector import PermissionStatus
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core.conditions import State
from videovector_operator.core.connection import TestOutcome as Outcome
from videovector_operator.core.connection import judge_test, location_of
from videovector_operator.errors import Stalled

ACTIONS = ("list", "read", "write", "delete")


def outcome(**results: str) -> Outcome:
    """Everything that is not named is allowed."""
    return Outcome(tuple(PermissionStatus(action=a, result=results.get(a, "allowed")) for a in ACTIONS))


def denied(action: str, **words: str) -> Outcome:
    return Outcome(permissions=(PermissionStatus(action=action, result="denied", **words),))


NEEDED = [
    (["import"], "list", True),
    (["import"], "read", True),
    (["import"], "write", False),
    (["import"], "delete", False),
    (["export"], "list", False),
    (["export"], "read", False),
    (["export"], "write", True),
    (["export"], "delete", True),
    (["import", "export"], "read", True),
    (["import", "export"], "delete", True),
]


@pytest.mark.parametrize(("scopes", "action", "is_needed"), NEEDED)
def test_a_scope_needs_its_permissions(scopes: list[str], action: str, is_needed: bool) -> None:
    verdict = judge_test(make_connector(scopes=scopes), outcome(**{action: "denied"}))
    if is_needed:
        assert (verdict.state, verdict.reason) == (State.STALLED, Reason.ACCESS_DENIED)
        assert f"s3://footage: {action} is denied" in verdict.message
    else:
        assert verdict.state is State.READY


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_unknown_is_no_obstacle(action: str) -> None:
    verdict = judge_test(make_connector(scopes=["import", "export"]), outcome(**{action: "unknown"}))
    assert verdict.state is State.READY
    assert action not in verdict.message.partition("allowed: ")[2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"message": "not authorized", "code": "AccessDenied"}, "denied: not authorized. Allow it"),
        ({"code": "AccessDenied"}, "denied: AccessDenied. Allow it"),
        ({}, "denied: the provider refused. Allow it"),
    ],
)
def test_a_refusal_without_words_still_reads_well(words: dict[str, str], expected: str) -> None:
    assert expected in judge_test(make_connector(), denied("read", **words)).message


@pytest.mark.parametrize(("scope", "action"), [("import", "list"), ("export", "delete")])
def test_a_denial_names_the_scope_that_can_be_given_up(scope: str, action: str) -> None:
    verdict = judge_test(make_connector(scopes=["import", "export"]), denied(action))
    assert verdict.message.endswith(f"or take {scope} out of spec.scopes")


def test_what_is_allowed_is_said() -> None:
    message = judge_test(make_connector(), outcome()).message
    assert message == "s3://footage: connection works; allowed: list, read, write, delete"
    nothing = outcome(list="unknown", read="unknown", write="unknown", delete="unknown")
    assert judge_test(make_connector(), nothing).message.endswith("allowed: nothing")


def test_what_only_workers_can_try_is_ready_and_says_so() -> None:
    connector = make_connector(secret=None, serviceAccountName="importer")
    verdict = judge_test(connector, Outcome(is_tried=False))
    assert (verdict.state, verdict.reason) == (State.READY, Reason.CONNECTION_NOT_TESTED)
    assert "not tested" in verdict.message
    assert "'importer'" in verdict.message
    assert "at the first run" in verdict.message


def test_the_location_is_the_blocks() -> None:
    block = {"bucket": "b3b", "region": "x", "endpoint": "http://h:9"}
    assert location_of(make_connector(s3=block)) == "s3://b3b@h:9"
    with pytest.raises(Stalled, match="must be set"):
        location_of(make_connector(s3=None))
