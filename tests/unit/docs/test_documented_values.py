"""The values that docs/install.md shows are values of the chart, and do there what the page says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.support.helm import CHART, Json, operator_env, render

_PAGE = (CHART.parents[1] / "docs" / "install.md").read_text(encoding="utf-8")
SHOWN: list[Json] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
]


def pod_of(objects: list[Json]) -> Any:
    return next(each for each in objects if each["kind"] == "Deployment")["spec"]["template"]


@pytest.mark.parametrize("values", SHOWN, ids="-".join)
def test_every_block_of_values_is_taken(values: Json) -> None:
    objects = render(values)
    env = operator_env(objects)
    for variable in values.get("operator", {}).get("extraEnv", []):
        assert env[variable["name"]] == variable
    name = values.get("worker", {}).get("serviceAccountName")
    if name is not None:
        assert env["VIDEOVECTOR_WORKER_SERVICE_ACCOUNT"]["value"] == name


def test_each_way_to_an_identity_is_shown() -> None:
    annotations = {name for values in SHOWN for name in values.get("serviceAccount", {}).get("annotations", {})}
    assert annotations == {"eks.amazonaws.com/role-arn", "azure.workload.identity/client-id"}
    labels = [values["operator"]["podLabels"] for values in SHOWN if "podLabels" in values.get("operator", {})]
    assert labels == [{"azure.workload.identity/use": "true"}]
    pod = pod_of(render({"operator": {"podLabels": labels[0]}}))
    assert pod["metadata"]["labels"].items() >= labels[0].items()
