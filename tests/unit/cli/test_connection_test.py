"""`test`: a token that the operator echoes, and what it found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plugin_desk import PluginDesk
from tests.support.samples import NAMESPACE, connector_manifest, ready_status
from videovector_operator.cli.failures import unreachable
from videovector_operator.cli.rights import refused
from videovector_operator.core.keys import ObjectKey

Json = dict[str, Any]
FOOTAGE = ObjectKey("Connector", NAMESPACE, "footage")
PERMISSIONS = [
    {"action": "list", "result": "allowed"},
    {"action": "write", "result": "denied", "code": "AccessDenied", "message": "the provider refused"},
]


@pytest.fixture
def tested(desk: PluginDesk) -> PluginDesk:
    desk.cluster.apply(connector_manifest())
    return desk


def answer(desk: PluginDesk, *, after: int = 1, **status: Any) -> None:
    """Let the operator test after so many looks."""

    def act(sleeps: int) -> None:
        if sleeps == after:
            found = {**ready_status(), "permissions": PERMISSIONS, "lastHandledRequest": "token-1", **status}
            desk.cluster.edit_status(FOOTAGE, found)

    desk.on_sleep = act


def test_a_good_connection(tested: PluginDesk) -> None:
    answer(tested, after=3)
    result = tested.run("test", "footage")
    assert result.exit_code == 0
    assert tested.kubernetes.patches == [
        ("Connector/footage", {"metadata": {"annotations": {"videovector.io/requestedAt": "token-1"}}})
    ]
    assert result.stdout.splitlines() == [
        "ACTION   RESULT    CODE           MESSAGE",
        "list     allowed   -              -",
        "write    denied    AccessDenied   the provider refused",
        "",
        "connector/footage ConnectionTested: said before",
    ]


def test_a_bad_connection_is_exit_code_1(tested: PluginDesk) -> None:
    conditions = [
        {**ready_status()["conditions"][0], "status": "False", "reason": "InvalidCredentials"},
        {**ready_status()["conditions"][0], "type": "Stalled", "reason": "InvalidCredentials"},
    ]
    answer(tested, conditions=conditions, permissions=[])
    result = tested.run("test", "footage")
    assert (result.exit_code, result.stdout) == (1, "connector/footage InvalidCredentials: said before\n")


def test_a_failure_that_ready_bears_is_a_failure(tested: PluginDesk) -> None:
    answer(tested, lastTestResult="failed", lastTestError="Cannot list: no answer in time", consecutiveFailures=2)
    result = tested.run("test", "footage")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "connector/footage test failed: Cannot list: no answer in time",
        "It is still Ready: 2 failed in a row, 3 make it not Ready",
    ]


def test_the_answer_to_somebody_elses_request_is_not_ours(tested: PluginDesk) -> None:
    answer(tested, lastHandledRequest="another")
    result = tested.run("test", "footage", "--timeout", "2")
    assert result.exit_code == 3
    assert "has not tested Connector" in result.stderr
    assert 'does it watch namespace "media"' in result.stderr


def test_a_few_polls_may_fail(tested: PluginDesk) -> None:
    failures = tested.kubernetes.failures

    def act(sleeps: int) -> None:
        if sleeps == 1:
            failures["get", "Connector"] = unreachable("the Kubernetes API did not answer")
        if sleeps == 60:
            failures.clear()
            found = {**ready_status(), "permissions": PERMISSIONS, "lastHandledRequest": "token-1"}
            tested.cluster.edit_status(FOOTAGE, found)

    tested.on_sleep = act
    result = tested.run("test", "footage")
    assert (result.exit_code, result.stderr) == (0, "")


def test_an_api_that_stays_away_ends_the_waiting(tested: PluginDesk) -> None:
    failures = tested.kubernetes.failures
    tested.on_sleep = lambda _: failures.update({("get", "Connector"): unreachable("did not answer")})
    result = tested.run("test", "footage")
    assert (result.exit_code, result.stderr) == (3, "error: did not answer\n")


def test_a_paused_connector_is_told_and_not_waited_for(tested: PluginDesk) -> None:
    tested.cluster.edit(FOOTAGE, {"metadata": {"annotations": {"videovector.io/paused": "true"}}})
    result = tested.run("test", "footage")
    assert result.exit_code == 1
    assert "kubectl annotate connector footage videovector.io/paused-" in result.stderr


def test_a_connector_that_is_not_there_or_goes_away(tested: PluginDesk) -> None:
    result = tested.run("test", "unknown")
    assert (result.exit_code, result.stderr) == (1, 'error: there is no Connector "unknown" in namespace "media"\n')
    tested.on_sleep = lambda _: tested.cluster.delete(FOOTAGE)
    result = tested.run("test", "footage")
    assert (result.exit_code, result.stderr) == (1, 'error: Connector "footage" was deleted meanwhile\n')


def test_without_the_right_to_patch_the_role_is_named(tested: PluginDesk) -> None:
    tested.kubernetes.failures["patch", "Connector"] = refused("patch", "connectors", NAMESPACE, "forbidden: ann")
    result = tested.run("test", "footage")
    assert result.exit_code == 3
    assert 'you may not patch connectors in namespace "media": ask for the ClusterRole edit there' in result.stderr
    assert "forbidden: ann" in result.stderr


@pytest.mark.parametrize("seconds", ["0", "never"])
def test_a_time_that_makes_no_sense(tested: PluginDesk, seconds: str) -> None:
    assert tested.run("test", "footage", "--timeout", seconds).exit_code == 2
