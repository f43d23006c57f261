from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.samples import make_connector, make_import
from videovector_operator.core import children, names
from videovector_operator.core.children import WorkerTemplate, build_catalog_secret, build_import_job, overlay
from videovector_operator.imports.exit_codes import ExitCode

Json = dict[str, Any]
GOLDEN = Path(__file__).parents[2] / "golden" / "importjob"
PLAIN = WorkerTemplate(image="videovector-operator:1")
FULL = WorkerTemplate(
    image="videovector-operator:1",
    image_pull_policy="Always",
    image_pull_secrets=("pull", "other"),
    service_account="importer",
    env={"B": "2", "A": "1"},
    resources={"limits": {"memory": "1Gi"}},
    backoff_limit=3,
    active_deadline_seconds=7200,
    pod_template={
        "metadata": {"annotations": {"team": "media"}},
        "spec": {
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "batch", "operator": "Exists"}],
            "containers": [
                {
                    "name": "worker",
                    "env": [{"name": "A", "value": "overlaid"}],
                    "volumeMounts": [
                        {"name": "extra", "mountPath": "/a", "subPath": "a"},
                        {"name": "extra", "mountPath": "/b", "subPath": "b"},
                    ],
                }
            ],
            "volumes": [{"name": "extra", "emptyDir": {}}],
        },
    },
)
BUILT = {
    "plain": build_import_job(make_import(), make_connector(secret=None), PLAIN),
    "full": build_import_job(make_import(parallelism=4, ttlSecondsAfterFinished=60), make_connector(), FULL),
}


@pytest.mark.parametrize("name", BUILT)
def test_the_job_is_the_golden_one(name: str) -> None:
    golden = yaml.safe_load((GOLDEN / f"job-{name}.yaml").read_text(encoding="utf-8"))
    assert BUILT[name] == golden


@pytest.mark.parametrize("name", BUILT)
def test_pods_are_restricted_and_hold_no_kubernetes_credentials(name: str) -> None:
    pod = BUILT[name]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["restartPolicy"] == "Never"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
    kinds = {key for volume in pod["volumes"] for key in volume if key != "name"}
    assert kinds <= {"emptyDir", "projected"}
    for volume in pod["volumes"]:
        assert all(set(source) == {"secret"} for source in volume.get("projected", {}).get("sources", ()))


def test_the_job_is_a_work_queue_that_starts_suspended() -> None:
    spec = BUILT["full"]["spec"]
    assert (spec["suspend"], spec["parallelism"], "completions" in spec) == (True, 4, False)
    fatal, stopped, disruption = spec["podFailurePolicy"]["rules"]
    assert fatal["onExitCodes"] == {"containerName": "worker", "operator": "In", "values": [children.FATAL_EXIT_CODE]}
    assert (fatal["action"], stopped["action"], disruption["action"]) == ("FailJob", "Ignore", "Ignore")
    assert ExitCode.INTERRUPTED in stopped["onExitCodes"]["values"]


def test_no_secret_is_in_the_manifest_but_by_name() -> None:
    worker = BUILT["full"]["spec"]["template"]["spec"]["containers"][0]
    dsn = next(env for env in worker["env"] if env["name"] == "VIDEOVECTOR_CATALOG_DSN")
    assert "value" not in dsn
    assert dsn["valueFrom"]["secretKeyRef"]["name"] == f"{BUILT['full']['metadata']['name']}-catalog"
    mount = next(m for m in worker["volumeMounts"] if m["name"] == "credentials")
    assert mount["readOnly"] is True


def test_without_a_secret_the_ambient_identity_is_used() -> None:
    text = str(build_import_job(make_import(), make_connector(secret=None), PLAIN))
    assert "credentials" not in text.lower()


def test_nothing_is_copied_from_the_labels_and_annotations_of_the_parent() -> None:
    tracked = {"argocd.argoproj.io/instance": "apps", "app.kubernetes.io/instance": "apps"}
    job = make_import(meta={"labels": tracked, "annotations": tracked})
    built = build_import_job(job, make_connector(), PLAIN)
    assert "argocd" not in str(built)
    own = {names.MANAGED_BY, names.OWNER_KIND_LABEL, names.OWNER_NAME_LABEL, names.RUN_LABEL}
    assert set(built["metadata"]["labels"]) == own
    assert set(built["spec"]["template"]["metadata"]["labels"]) == own


def test_the_child_belongs_to_its_parent() -> None:
    (owner,) = BUILT["plain"]["metadata"]["ownerReferences"]
    assert (owner["apiVersion"], owner["kind"], owner["name"]) == ("videovector.io/v1alpha1", "ImportJob", "first")
    assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == ("uid-of-first", True, False)


def test_the_secret_belongs_to_the_job_that_exists() -> None:
    seen = copy.deepcopy(BUILT["plain"])
    seen["metadata"]["uid"] = "uid-of-job"
    secret = build_catalog_secret(seen, "host=catalog password=x")
    assert secret["stringData"] == {"dsn": "host=catalog password=x"}
    assert secret["metadata"]["name"] == f"{seen['metadata']['name']}-catalog"
    assert secret["metadata"]["namespace"] == "media"
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Job", "uid-of-job")


NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


@given(st.from_regex(NAME, fullmatch=True), st.uuids())
def test_labels_are_valid_for_every_name(name: str, uid: Any) -> None:
    labels = children.build_labels("ImportJob", name, names.import_run_id(str(uid)))
    for value in labels.values():
        assert len(value) <= 63
        assert LABEL.fullmatch(value), value


leaves = st.integers() | st.text(max_size=3) | st.booleans()
named = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"value": leaves}),
    max_size=3,
    unique_by=lambda item: item["name"],
)
documents = st.recursive(
    st.dictionaries(st.sampled_from("pqr"), leaves | named, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("pqr"), leaves | named | inner, max_size=3),
    max_leaves=8,
)


@given(documents)
def test_laying_nothing_over_changes_nothing(base: Json) -> None:
    assert overlay(base, {}) == base


@given(documents)
def test_laying_a_thing_over_itself_changes_nothing(base: Json) -> None:
    assert overlay(base, base) == base


@given(documents, documents)
def test_laying_twice_is_laying_once_and_neither_side_is_changed(base: Json, patch: Json) -> None:
    before = copy.deepcopy((base, patch))
    once = overlay(base, patch)
    assert overlay(once, patch) == once
    assert (base, patch) == before


@given(documents)
def test_laid_over_nothing_it_is_itself(patch: Json) -> None:
    assert overlay({}, patch) == patch


OVERLAYS: dict[str, tuple[Json, Json, Json]] = {
    "a value is replaced": ({"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": 2}),
    "objects are merged": ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
    "plain lists are replaced": ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    "named items are merged by name": (
        {"a": [{"name": "x", "v": 1}, {"name": "y"}]},
        {"a": [{"name": "x", "w": 2}, {"name": "z"}]},
        {"a": [{"name": "x", "v": 1, "w": 2}, {"name": "y"}, {"name": "z"}]},
    ),
    "mounts are merged by path": (
        {"m": [{"name": "tmp", "mountPath": "/tmp"}]},
        {"m": [{"name": "tmp", "mountPath": "/cache"}, {"name": "big", "mountPath": "/tmp"}]},
        {"m": [{"name": "big", "mountPath": "/tmp"}, {"name": "tmp", "mountPath": "/cache"}]},
    ),
    "a list takes the place of something else": ({"a": 1}, {"a": [{"name": "x"}]}, {"a": [{"name": "x"}]}),
}


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_overlay(name: str) -> None:
    base, patch, expected = OVERLAYS[name]
    assert overlay(base, patch) == expected
