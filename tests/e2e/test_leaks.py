"""Runs last: no credential that any end-to-end test used is in any log line, object, event, metric or catalog row.

Nor was it in any state that a Connector, an Index or an ImportJob has passed through on the way, also of those that are gone.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installed_system import InstalledSystem, wait_until
from tests.support.leak_search import Leak, search_texts
from tests.support.world import PLURALS, World, is_ready

BUCKET = "e2e-leaks"
KEY_FILE = "credentials.json"
KINDS = "connectors,indexes,importjobs,jobs,pods,events,configmaps,deployments,replicasets,leases,serviceaccounts"


@pytest.fixture(scope="module", autouse=True)
def own_connector(system: InstalledSystem) -> None:
    """One more, among those of test_clouds: so there is a Secret to look for, and states to look in, when no other test has run."""
    world, cloud = system.site("clouds").world, system.clouds["gcs"]
    cloud.upload(BUCKET, Path(), [])
    world.create_secret("searched", **system.remember(cloud.secret()))
    world.create("Connector", "searched", {**cloud.place(BUCKET), "credentialsSecretRef": {"name": "searched"}})
    world.wait("Connector", "searched", is_ready)


def told(leaks: list[Leak]) -> str:
    return "\n".join(f"{leak.where}: {leak.what}: {leak.around}" for leak in leaks[:10])


def namespaces(system: InstalledSystem) -> list[str]:
    return [*system.namespaces.values(), system.release.namespace]


def objects(system: InstalledSystem) -> Iterator[tuple[str, str]]:
    for namespace in namespaces(system):
        yield f"objects in {namespace}", system.kube.run("get", KINDS, "-n", namespace, "-o", "yaml")


def states(system: InstalledSystem) -> Iterator[tuple[str, str]]:
    for module, recorder in system.recorders.items():
        for body in list(recorder.states):
            name, version = body["metadata"]["name"], body["metadata"]["resourceVersion"]
            yield f"{body['kind']} {name} of {module} at {version}", json.dumps(body)


def rows(system: InstalledSystem) -> Iterator[tuple[str, str]]:
    tables = system.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    for (table,) in tables:
        found = system.query(f"SELECT t::text FROM public.{table} t")
        yield f"table {table}", "\n".join(str(row) for (row,) in found)


def metrics(system: InstalledSystem) -> Iterator[tuple[str, str]]:
    port = system.release.values["operator"]["httpPort"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        yield "metrics", answer.read().decode()


@pytest.mark.parametrize("places", [objects, states, rows, metrics])
def test_no_credential_is_left_anywhere(system: InstalledSystem, places) -> None:
    texts = list(places(system))
    assert sum(len(text) for _, text in texts) > 0, "an empty text proves nothing"
    leaks = search_texts(system.needles, texts)
    assert leaks == [], told(leaks)


def test_the_states_of_all_objects_were_recorded(system: InstalledSystem) -> None:
    """Nothing may escape the search because a test went round `InstalledSystem.site`, or because a recorder has died."""
    assert versions(system)
    wait_until("the present version of every object is recorded", lambda: versions(system) <= recorded(system))


def versions(system: InstalledSystem) -> set[tuple[str, str]]:
    worlds = [World(system.cluster, namespace) for namespace in system.namespaces.values()]
    return {version(body) for world in worlds for kind in PLURALS for body in world.list(kind)}


def recorded(system: InstalledSystem) -> set[tuple[str, str]]:
    return {version(body) for recorder in system.recorders.values() for body in list(recorder.states)}


def version(body: dict) -> tuple[str, str]:
    return body["metadata"]["uid"], body["metadata"]["resourceVersion"]


def test_no_container_ever_logged_one(system: InstalledSystem) -> None:
    """Every line of every container since the session began, also of pods that are gone."""
    system.logs.sweep()
    system.logs.rewind()
    system.logs.sweep()
    assert system.logs.bytes_read > 0
    assert system.logs.leaks == [], told(system.logs.leaks)


def test_the_database_server_logged_none(system: InstalledSystem) -> None:
    text = system.postgres.log.read_text(errors="replace")
    assert search_texts(system.needles, [("PostgreSQL's log", text)]) == []


def test_the_search_would_find_one(system: InstalledSystem) -> None:
    """The Secrets hold them: the search that finds nothing elsewhere finds them there, a whole key file among them."""
    assert KEY_FILE in {leak.what for leak in search_texts(system.needles, secrets(system))}


def secrets(system: InstalledSystem) -> Iterator[tuple[str, str]]:
    for namespace in namespaces(system):
        command = (system.kube.kubectl, f"--kubeconfig={system.kube.kubeconfig}", "get", "secrets", "-n", namespace)
        answer = subprocess.run([*command, "-o", "yaml"], capture_output=True, text=True, check=True, timeout=120)
        yield namespace, answer.stdout
