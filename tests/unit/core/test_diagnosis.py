from __future__ import annotations

from typing import Any

import pytest

from videovector_operator.core.diagnosis import diagnose_pods, diagnose_refusals

Json = dict[str, Any]


def pod(status: Json | None, name: str = "p") -> Json:
    return {"metadata": {"name": name}, "status": status}


def container(state: Json) -> Json:
    return pod({"phase": "Pending", "containerStatuses": [{"state": state}]})


CASES: dict[str, tuple[list[Json], str]] = {
    "no pods": ([], ""),
    "a pod that has just been made": ([pod(None)], ""),
    "a pod that is starting": ([container({"waiting": {"reason": "ContainerCreating"}})], ""),
    "a pod that runs": ([container({"running": {"startedAt": "2026-01-01T00:00:00Z"}})], ""),
    "a pod that ended well": ([container({"terminated": {"exitCode": 0, "reason": "Completed"}})], ""),
    "an image that cannot be pulled": (
        [container({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}})],
        "pod p: ImagePullBackOff: the image cannot be pulled: check the chart's image value and imagePullSecrets",
    ),
    "a Secret that is not there": (
        [container({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}})],
        "pod p: CreateContainerConfigError: a Secret or ConfigMap that the pod needs is missing",
    ),
    "a reason that we have no hint for": (
        [container({"waiting": {"reason": "RunContainerError", "message": "exec: not found"}})],
        "pod p: RunContainerError: exec: not found",
    ),
    "a reason without words": ([container({"waiting": {"reason": "Strange"}})], "pod p: Strange"),
    "too little memory": (
        [container({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})],
        "pod p: OOMKilled: out of memory: raise worker.resources.limits.memory in the chart's values",
    ),
    "a crash": ([container({"terminated": {"exitCode": 1}})], "pod p: Error: exit code 1"),
    "no node that fits": (
        [
            pod(
                {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
            )
        ],
        "pod p cannot be scheduled: 0/3 nodes are available",
    ),
    "an eviction": (
        [pod({"phase": "Failed", "message": "The node was low on resource: memory."})],
        "pod p failed: The node was low on resource: memory.",
    ),
    "the newest of several speaks": (
        [
            container({"terminated": {"exitCode": 1}}),
            pod({"phase": "Failed", "message": "evicted"}, "newer"),
            pod({"phase": "Running"}, "newest"),
        ],
        "pod newer failed: evicted",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_for_people(name: str) -> None:
    pods, expected = CASES[name]
    assert diagnose_pods(pods) == expected


QUOTA = 'Error creating: pods "vv-1-{}" is forbidden: exceeded quota: none, requested: pods=1, used: pods=3, limited: pods=3'
REFUSED = "the namespace refuses its pods: pods is forbidden: exceeded quota: none, requested: pods=1"
AT_NINE, AT_TEN, AT_ELEVEN = (f"2026-01-01T00:00:{second:02}Z" for second in (9, 10, 11))


def event(message: str = QUOTA.format("abcde"), reason: str = "FailedCreate", **times: Any) -> Json:
    return {"reason": reason, "message": message, **times}


REFUSALS: dict[str, tuple[list[Json], str]] = {
    "no Event": ([], ""),
    "an Event without words": ([event("", lastTimestamp=AT_NINE)], ""),
    "a quota": ([event(lastTimestamp=AT_NINE)], REFUSED),
    "an Event that stands for many": ([event("(combined from similar events): " + QUOTA.format("x"))], REFUSED),
    "the newest speaks": (
        [
            event("Error creating: Timeout", lastTimestamp=AT_NINE),
            event(series={"lastObservedTime": "2026-01-01T00:00:10.000000Z"}),
            event("Error creating: EOF", lastTimestamp=None, eventTime="2026-01-01T00:00:08.000000Z"),
        ],
        REFUSED,
    ),
    "a policy": (
        [event('admission webhook "a.b" denied the request: no.')],
        'the namespace refuses its pods: admission webhook "a.b" denied the request: no. Ask',
    ),
    "a pod that cannot be": (
        [event('Error creating: Pod "x-abcde" is invalid: spec')],
        "the namespace refuses its pods: pods is invalid: spec. Ask",
    ),
    "an outage": ([event("Error creating: Timeout")], "its pods cannot be created: Timeout. It is tried again"),
    "a namespace that goes": (
        [
            event(
                'Error creating: pods "x" is forbidden: unable to create new content in namespace a because it is being terminated'
            )
        ],
        "its pods cannot be created: pods is forbidden: unable to create new content in namespace a because it is being terminated. "
        "The namespace is being deleted",
    ),
    "refused in the second in which it was resumed": (
        [
            event("x", "Resumed", lastTimestamp=AT_TEN, metadata={"name": "j.18a1"}),
            event(lastTimestamp=AT_TEN, metadata={"name": "j.18a2"}),
        ],
        REFUSED,
    ),
    "made in the second in which it was refused": (
        [
            event(lastTimestamp=AT_TEN, metadata={"name": "j.18a1"}),
            event("x", "SuccessfulCreate", lastTimestamp=AT_TEN, metadata={"name": "j.18a2"}),
        ],
        "",
    ),
    "refused again": ([event("Job resumed", "Resumed", lastTimestamp=AT_TEN), event(lastTimestamp=AT_ELEVEN)], REFUSED),
    "refused before it was paused": ([event(lastTimestamp=AT_NINE), event("x", "Resumed", lastTimestamp=AT_TEN)], ""),
    "made since": ([event(lastTimestamp=AT_NINE), event("x", "SuccessfulCreate", lastTimestamp=AT_TEN)], ""),
    "words without an end": ([event("x" * 5000)], f"its pods cannot be created: {'x' * 599}…. It is tried again"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_pods_that_cannot_be_created_are_explained_by_their_jobs_events(name: str) -> None:
    events, expected = REFUSALS[name]
    found = diagnose_refusals(events)
    assert found.startswith(expected)
    assert bool(found) is bool(expected)


def test_another_pods_name_is_no_other_message() -> None:
    first, second = (diagnose_refusals([event(QUOTA.format(name))]) for name in ("abcde", "fghij"))
    assert first == second
