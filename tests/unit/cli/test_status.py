"""`status`: what is wrong first, and an exit code for scripts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
import yaml

from tests.support.plugin_desk import NOW, PluginDesk
from tests.support.samples import NAMESPACE, connector_manifest, import_manifest, index_manifest, ready_status
from videovector_operator.cli.failures import unreachable
from videovector_operator.core.keys import ObjectKey

Json = dict[str, Any]
GOING = {"phase": "Importing", "progress": {"totalFiles": 10, "imported": 3, "failed": 1, "bytesTransferred": 7}}
NEITHER = {"phase": None, "progress": None}


def conditions(ready: str, reason: str, beside: str | None = None, generation: int = 1) -> Json:
    status = ready_status(generation, "Ready", ready, reason)
    if beside is not None:
        status["conditions"].append({**status["conditions"][0], "type": beside, "status": "True"})
    return status


def put(desk: PluginDesk, kind: str, name: str, status: Json | None, namespace: str = NAMESPACE) -> None:
    make = {"Connector": connector_manifest, "Index": index_manifest, "ImportJob": import_manifest}[kind]
    body = make(name)
    body["metadata"]["namespace"] = namespace
    desk.cluster.apply(body)
    if status is not None:
        desk.cluster.edit_status(ObjectKey(kind, namespace, name), status)


def delete(desk: PluginDesk, name: str) -> None:
    """Begin the deletion of an Index that a finalizer holds."""
    put(desk, "Index", name, conditions("True", "IndexReady"))
    key = ObjectKey("Index", NAMESPACE, name)
    desk.cluster.edit(key, {"metadata": {"finalizers": ["videovector.io/catalog-cleanup"]}})
    desk.cluster.delete(key)


def deleted_at(desk: PluginDesk, name: str) -> float:
    body = desk.cluster.find(ObjectKey("Index", NAMESPACE, name))
    assert body is not None
    return datetime.fromisoformat(body["metadata"]["deletionTimestamp"]).timestamp()


def objects(out: str) -> list[str]:
    return [" ".join(line.split()[:2]) for line in out.splitlines()[1:]]


def test_what_is_wrong_comes_first(desk: PluginDesk) -> None:
    put(desk, "Connector", "good", conditions("True", "ConnectionTested"))
    put(desk, "Connector", "broken", conditions("False", "InvalidCredentials", "Stalled"))
    put(desk, "Connector", "late", conditions("False", "StorageUnavailable", "Reconciling"))
    put(desk, "Index", "library", {**conditions("True", "IndexReady"), "media": {"total": 9}})
    put(desk, "ImportJob", "new", None)
    progress = {"totalFiles": 10, "imported": 3, "failed": 1, "skipped": 0}
    put(desk, "ImportJob", "going", {**conditions("Unknown", "Importing", "Reconciling"), "phase": "Importing", "progress": progress})  # fmt: skip
    put(desk, "ImportJob", "stopped", {**conditions("False", "Cancelled", "Stalled"), "phase": "Cancelled"})
    put(desk, "ImportJob", "failed", {**conditions("False", "SourceUnusable", "Stalled"), "phase": "Failed"})
    put(desk, "ImportJob", "partly", {**conditions("True", "CompletedWithFailures"), "phase": "Completed"})
    put(desk, "Connector", "flapping", {**conditions("True", "ConnectionTested"), "lastTestResult": "failed"})
    delete(desk, "held")
    delete(desk, "going-away")
    assert deleted_at(desk, "held") < deleted_at(desk, "going-away")
    desk.now = deleted_at(desk, "held") + 300

    result = desk.run("status")

    assert result.exit_code == 1
    assert objects(result.stdout) == [
        "Stalled connector/broken",
        "Stalled importjob/failed",
        "Retrying connector/late",
        "Stuck index/held",
        "Degraded connector/flapping",
        "Degraded importjob/partly",
        "Progressing importjob/going",
        "Progressing importjob/new",
        "Deleting index/going-away",
        "Cancelled importjob/stopped",
        "Ready connector/good",
        "Ready index/library",
    ]
    assert "Importing 4/10, 1 failed" in result.stdout
    assert "9 media" in result.stdout
    told = "2 stalled, 1 retrying, 1 stuck, 2 degraded, 2 progressing, 1 deleting, 1 cancelled, 2 ready"
    assert result.stderr.strip() == told


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (conditions("True", "ConnectionTested"), 0),
        (conditions("False", "StorageUnavailable", "Reconciling"), 0),
        (conditions("False", "AccessDenied", "Stalled"), 1),
        (conditions("False", "Cancelled", "Stalled"), 0),
        (conditions("True", "CompletedWithFailures"), 0),
        ({**conditions("True", "ConnectionTested"), "lastTestResult": "failed"}, 0),
        (None, 0),
    ],
)
def test_the_exit_code_says_whether_something_is_stalled(desk: PluginDesk, status: Json | None, code: int) -> None:
    put(desk, "Connector", "one", status)
    assert desk.run("status").exit_code == code


def test_an_answer_for_an_older_generation_is_progressing(desk: PluginDesk) -> None:
    put(desk, "Connector", "one", conditions("True", "ConnectionTested"))
    desk.cluster.edit(ObjectKey("Connector", NAMESPACE, "one"), {"spec": {"validationInterval": "1h"}})
    assert objects(desk.run("status").stdout) == ["Progressing connector/one"]


@pytest.mark.parametrize("beside", ["Stalled", "Reconciling"])
def test_what_was_wrong_with_an_older_generation_may_be_repaired(desk: PluginDesk, beside: str) -> None:
    put(desk, "Connector", "one", conditions("False", "InvalidCredentials", beside))
    desk.cluster.edit(ObjectKey("Connector", NAMESPACE, "one"), {"spec": {"validationInterval": "1h"}})
    result = desk.run("status")
    assert (objects(result.stdout), result.exit_code) == (["Progressing connector/one"], 0)


def test_a_deletion_that_is_stuck_says_what_holds_it(desk: PluginDesk) -> None:
    delete(desk, "held")
    desk.now += 900
    result = desk.run("status", "-o", "json")
    (item,) = json.loads(result.stdout)["items"]
    assert (item["state"], result.exit_code) == ("Stuck", 0)
    assert item["message"].startswith("being deleted since 2026-01-01T00:00:")
    assert " and held by videovector.io/catalog-cleanup: does its controller run? Said last: " in item["message"]


def test_one_namespace_or_all(desk: PluginDesk) -> None:
    put(desk, "Index", "here", conditions("True", "IndexReady"))
    put(desk, "Index", "there", conditions("True", "IndexReady"), "team")
    assert objects(desk.run("status").stdout) == ["Ready index/here"]
    assert objects(desk.run("status", "-n", "team").stdout) == ["Ready index/there"]
    everywhere = desk.run("status", "-A").stdout.splitlines()
    assert everywhere[0].startswith("NAMESPACE   STATE")
    assert [line.split()[0] for line in everywhere[1:]] == ["media", "team"]


def test_nothing_is_said_so(desk: PluginDesk) -> None:
    result = desk.run("status")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == 'No Connectors, Indexes or ImportJobs in namespace "media".\n'
    assert "in any namespace" in desk.run("status", "-A").stderr


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_same(desk: PluginDesk, output: str, parse: Any) -> None:
    put(desk, "Connector", "one", conditions("False", "AccessDenied", "Stalled"))
    put(desk, "ImportJob", "going", {**conditions("Unknown", "Importing", "Reconciling"), **GOING})
    put(desk, "Index", "library", {**conditions("True", "IndexReady"), "media": {"total": 9}})
    result = desk.run("status", "-o", output)
    assert result.exit_code == 1
    said = {"namespace": "media", "message": "said before"}
    counts = {"totalFiles": 10, "imported": 3, "failed": 1, "skipped": 0}
    items = parse(result.stdout)["items"]
    assert [datetime.fromisoformat(item.pop("createdAt")).year for item in items] == [2026] * 3
    assert items == [
        {**said, "kind": "Connector", "name": "one", "state": "Stalled", "reason": "AccessDenied", **NEITHER},
        {**said, "kind": "ImportJob", "name": "going", "state": "Progressing", "reason": "Importing"}
        | {"phase": "Importing", "progress": counts},
        {**said, "kind": "Index", "name": "library", "state": "Ready", "reason": "IndexReady"}
        | {"phase": None, "progress": {"media": 9}},
    ]


def test_programs_get_every_number_of_what_nobody_has_looked_at_yet(desk: PluginDesk) -> None:
    put(desk, "ImportJob", "new", None)
    put(desk, "Index", "new", None)
    index, job = json.loads(desk.run("status", "-o", "json").stdout)["items"]
    assert (index["phase"], index["progress"]) == (None, {"media": 0})
    zeros = {"totalFiles": 0, "imported": 0, "failed": 0, "skipped": 0}
    assert (job["phase"], job["progress"]) == ("Pending", zeros)


def test_long_messages_are_cut_unless_asked_for(desk: PluginDesk) -> None:
    status = conditions("True", "ConnectionTested")
    status["conditions"][0]["message"] = "m" * 300
    put(desk, "Connector", "one", status)
    assert "m" * 99 + "…" in desk.run("status").stdout
    assert "m" * 300 in desk.run("status", "-o", "wide").stdout


def test_a_cluster_that_does_not_answer(desk: PluginDesk) -> None:
    desk.kubernetes.failures["list", "Index"] = unreachable("the Kubernetes API did not answer")
    assert desk.run("status").exit_code == 3


AGES = {"2026-01-01T00:00:00Z": "100s", "2025-12-31T23:00:00Z": "61m", "2025-12-31T20:00:00Z": "4h", "2025-11-01T00:00:00Z": "61d", "2027-01-01T00:00:00Z": "0s"}  # fmt: skip


@pytest.mark.parametrize("created", AGES)
def test_ages(desk: PluginDesk, created: str) -> None:
    from videovector_operator.cli.status import age

    assert age({"metadata": {"creationTimestamp": created}}, NOW) == AGES[created]
