"""The chart's values as the demo and the end-to-end tests give them: the chart itself takes them."""

from __future__ import annotations

import pytest

from tests.support.helm import one, render
from tools.demo.image import REPOSITORY_NAME, name_image
from tools.demo.release import CATALOG_SECRET, Release, build_values

IMAGE = "registry.example.com:5000/videovector-operator:1.2.3"


def test_an_image_in_a_registry_with_a_port_is_split_at_its_tag() -> None:
    values = build_values(Release("r", "n", IMAGE), with_crds=True)
    assert values["image"] == {"repository": "registry.example.com:5000/videovector-operator", "tag": "1.2.3"}


def test_a_database_of_ones_own_replaces_the_charts() -> None:
    own = build_values(Release("r", "n", IMAGE, dsn="postgresql://somewhere/db"), with_crds=True)
    assert own["catalog"] == {"existingSecret": {"name": CATALOG_SECRET}, "postgresql": {"enabled": False}}
    assert "postgresql://" not in str(own)


@pytest.mark.parametrize("dsn", [None, "postgresql://somewhere/db"])
def test_the_chart_takes_them(dsn: str | None) -> None:
    values = {"operator": {"httpPort": 29180}, "operatorApi": {"port": 29190}}
    wanted = Release("r", "n", IMAGE, watch=("demo",), dsn=dsn, values=values)
    deployment = one(render(build_values(wanted, with_crds=True)), "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {"http": 29180, "api": 29190}


def test_a_releases_own_values_win() -> None:
    wanted = Release("r", "n", IMAGE, dsn="x", values={"catalog": {"migration": {"mode": "none"}}})
    values = build_values(wanted, with_crds=False)
    assert values["catalog"]["migration"] == {"mode": "none"}
    assert values["catalog"]["existingSecret"] == {"name": CATALOG_SECRET}
    assert values["crds"] == {"install": False}


def test_the_images_tag_is_a_function_of_what_goes_into_it() -> None:
    name = name_image()
    assert name == name_image()
    assert name.startswith(f"{REPOSITORY_NAME}:")
