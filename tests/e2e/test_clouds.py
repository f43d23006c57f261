"""One ImportJob for each cloud, by a Secret; and every wrong Secret: refused at once for the right reason, and cured at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pytest

from tests.support.clouds import CA_BUNDLE, Cloud, WrongSecret
from tests.support.installed_system import ImportSite, InstalledSystem, counts, reason_of
from tests.support.promptness import Promptness
from tests.support.world import condition, is_ready, is_stalled
from tools.sample_media import QUICKSTART, generate

BUCKET = "e2e-clouds"
OUTCOMES = ("imported", "failed", "skipped")
CLOUDS = ("s3", "gcs", "azure-account-key", "azure-sas", "azure-client-secret")
PROMPT = Promptness(5.0)
"""From a Secret to what the Connector says of it."""


@pytest.fixture(scope="module")
def site(system: InstalledSystem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImportSite]:
    folder = tmp_path_factory.mktemp("clouds")
    paths = [sample.path for sample in generate(folder)]
    site = system.site("clouds")
    for name in CLOUDS:
        cloud = system.clouds[name]
        cloud.upload(BUCKET, folder, paths)
        if cloud.ca_bundle is not None:
            metadata = {"name": CA_BUNDLE, "namespace": site.world.namespace}
            data = {"ca.crt": cloud.ca_bundle}
            system.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    yield site
    assert site.recorder.violations() == []


def ready_connector(site: ImportSite, cloud: Cloud, name: str) -> None:
    site.world.create_secret(name, **site.system.remember(cloud.secret()))
    site.world.create("Connector", name, {**cloud.place(BUCKET), "credentialsSecretRef": {"name": name}})
    # The first of its provider: the operator loads what only it needs.
    site.world.wait("Connector", name, is_ready)


@pytest.mark.parametrize("name", CLOUDS)
def test_an_import_from_each_cloud(site: ImportSite, name: str) -> None:
    cloud = site.system.clouds[name]
    ready_connector(site, cloud, name)
    run_id = site.create_import(name, name)
    job = site.wait_ready(name)
    expected = {outcome: sum(sample.outcome == outcome for sample in QUICKSTART) for outcome in OUTCOMES}
    assert counts(job) == {"totalFiles": len(QUICKSTART), **expected}
    assert reason_of(job) == ("Completed", "True", "CompletedWithFailures")
    rows = site.system.query("SELECT path, location FROM media WHERE run_id = %s ORDER BY path", run_id)
    assert [path for path, _ in rows] == sorted(s.path for s in QUICKSTART if s.outcome == "imported")
    [location] = {location for _, location in rows}
    connector = site.world.get("Connector", name)
    assert connector is not None
    assert connector["status"]["location"] == location
    assert {each["action"]: each["result"] for each in connector["status"]["permissions"]} == {
        "list": "allowed",
        "read": "allowed",
    }


def wrong_secrets() -> list[tuple[str, str]]:
    """Cloud and case; what the case needs is made when the servers are there."""
    return [(cloud, case) for cloud, cases in WRONG.items() for case in cases]


WRONG = {
    "s3": ("unknown access key", "wrong secret key", "no secret key", "empty secret key", "two lines"),
    "gcs": (
        "a key that was rotated",
        "an account that was deleted",
        "another account's e-mail",
        "no JSON",
        "another type",
        "no private key",
        "no such key",
    ),
    "azure-account-key": ("another key", "not base64", "two kinds at once", "no key", "client secret without tenant"),
    "azure-sas": ("changed signature", "expired", "an URL instead of a token"),
    "azure-client-secret": ("the secret's id", "expired", "two lines", "empty", "two kinds at once"),
}


@pytest.mark.parametrize(("name", "case"), wrong_secrets())
def test_a_wrong_secret_is_named_and_its_repair_is_seen(site: ImportSite, name: str, case: str) -> None:
    cloud = site.system.clouds[name]
    [wrong] = [each for each in cloud.wrong_secrets() if each.case == case]
    site.system.remember(dict(wrong.data))
    connector = f"wrong-{name}-{list(WRONG[name]).index(case)}"
    site.world.create_secret(connector, **wrong.data)
    site.world.create("Connector", connector, {**cloud.place(BUCKET), "credentialsSecretRef": {"name": connector}})
    refused(site, connector, wrong)
    right = site.system.remember(cloud.secret())
    replace_secret(site, connector, right, wrong.data)
    PROMPT.wait(site.world, "Connector", connector, is_ready)
    # A good one that is replaced by a bad one is noticed as soon.
    replace_secret(site, connector, wrong.data, right)
    refused(site, connector, wrong)
    site.world.api.request("DELETE", site.world.path("Connector", connector))


def refused(site: ImportSite, connector: str, wrong: WrongSecret) -> None:
    body = PROMPT.wait(site.world, "Connector", connector, is_stalled)
    ready = condition(body, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", wrong.reason), ready["message"]
    if wrong.reason == "SecretKeyMissing":
        assert connector in ready["message"]


def replace_secret(site: ImportSite, name: str, new: Mapping[str, str], old: Iterable[str]) -> None:
    """Put ``new`` in the place of everything that the Secret held."""
    keys = dict.fromkeys(old)
    status, text = site.world.patch("Secret", name, {"data": keys, "stringData": new})
    assert status == 200, text


def test_the_table_of_wrong_secrets_is_whole(site: ImportSite) -> None:
    for name, cases in WRONG.items():
        assert [each.case for each in site.system.clouds[name].wrong_secrets()] == list(cases)
