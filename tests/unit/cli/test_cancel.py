"""`cancel`: asked once, told honestly."""

from __future__ import annotations

import pytest

from tests.support.plugin_desk import PluginDesk
from tests.support.samples import NAMESPACE, import_manifest
from videovector_operator.cli.failures import CommandError, bad, unreachable
from videovector_operator.cli.rights import refused
from videovector_operator.core.keys import ObjectKey

FIRST = ObjectKey("ImportJob", NAMESPACE, "first")
COUNTS = {"imported": 3, "failed": 1, "skipped": 2, "totalFiles": 9}


@pytest.fixture
def running(desk: PluginDesk) -> PluginDesk:
    desk.cluster.apply(import_manifest())
    desk.cluster.edit_status(FIRST, {"phase": "Importing", "progress": COUNTS})
    return desk


def test_it_is_asked_for(running: PluginDesk) -> None:
    result = running.run("cancel", "first")
    assert (result.exit_code, result.stdout) == (0, "importjob/first will be cancelled; what is imported stays\n")
    assert running.kubernetes.patches == [("ImportJob/first", {"spec": {"cancel": True}})]


def end_as(desk: PluginDesk, phase: str) -> None:
    desk.on_sleep = lambda sleeps: (
        desk.cluster.edit_status(FIRST, {"phase": phase, "progress": COUNTS}) if sleeps == 3 else None  # type: ignore[assignment]
    )


def test_waiting_ends_with_the_run(running: PluginDesk) -> None:
    end_as(running, "Cancelled")
    result = running.run("cancel", "first", "--wait")
    assert (result.exit_code, result.stdout) == (0, "importjob/first is cancelled (3 imported, 1 failed, 2 skipped)\n")


def test_a_run_that_completes_instead_is_told(running: PluginDesk) -> None:
    end_as(running, "Completed")
    result = running.run("cancel", "first", "--wait")
    assert result.exit_code == 1
    assert "has ended already: Completed" in result.stdout


def test_waiting_has_an_end(running: PluginDesk) -> None:
    result = running.run("cancel", "first", "--wait", "--timeout", "3")
    assert result.exit_code == 3
    assert "has not ended within 3 s" in result.stderr


def test_a_few_polls_may_fail(running: PluginDesk) -> None:
    failures = running.kubernetes.failures

    def act(sleeps: int) -> None:
        if sleeps == 1:
            failures["get", "ImportJob"] = unreachable("the Kubernetes API did not answer")
        if sleeps == 40:
            failures.clear()
            running.cluster.edit_status(FIRST, {"phase": "Cancelled", "progress": COUNTS})

    running.on_sleep = act
    result = running.run("cancel", "first", "--wait")
    assert (result.exit_code, result.stderr) == (0, "")


def test_an_api_that_stays_away_ends_the_waiting(running: PluginDesk) -> None:
    failures = running.kubernetes.failures
    running.on_sleep = lambda _: failures.update({("get", "ImportJob"): unreachable("did not answer")})
    result = running.run("cancel", "first", "--wait")
    assert (result.exit_code, result.stderr) == (3, "error: did not answer\n")


@pytest.mark.parametrize("failure", [refused("get", "importjobs", NAMESPACE), bad("it is gone")])
def test_a_refusal_is_not_waited_for(running: PluginDesk, failure: CommandError) -> None:
    slept = []

    def act(sleeps: int) -> None:
        slept.append(sleeps)
        running.kubernetes.failures["get", "ImportJob"] = failure

    running.on_sleep = act
    assert running.run("cancel", "first", "--wait").exit_code == failure.code
    assert slept == [1]


@pytest.mark.parametrize(("phase", "code"), [("Completed", 1), ("Failed", 1), ("Cancelled", 0)])
def test_a_run_that_has_ended_is_left_alone(running: PluginDesk, phase: str, code: int) -> None:
    running.cluster.edit_status(FIRST, {"phase": phase, "progress": COUNTS})
    result = running.run("cancel", "first")
    assert result.exit_code == code
    assert running.kubernetes.patches == []
    assert "(3 imported, 1 failed, 2 skipped)" in result.stdout


def test_no_such_import(desk: PluginDesk) -> None:
    result = desk.run("cancel", "first", "-n", "team")
    assert (result.exit_code, result.stderr) == (1, 'error: there is no ImportJob "first" in namespace "team"\n')
