from __future__ import annotations

from typing import Any

import pytest

from videovector_operator.core.diagnosis import diagnose_pods

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
