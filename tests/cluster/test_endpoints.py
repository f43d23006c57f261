"""Processes for which loopback is forbidden, as it is unless their settings allow it, go to no address that an endpoint may not mean.

What the policy refuses is in tests/unit/storage/test_endpoint_policy.py: here it must have reached the operator and the worker.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.cluster.conftest import StartOperator
from tests.support.imports import assert_imported_once, fill_folder, run_spec
from tests.support.local_kubelet import LocalKubelet
from tests.support.operator_process import ROOT
from tests.support.world import StateRecorder, World, condition, is_ready, is_stalled
from tools.testservers import VersityGateway
from tools.testservers.faultproxy import FaultProxy
from tools.testservers.gcs_accounts import make_account
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.core.records import JsonValue, RunSpec
from videovector_operator.imports.exit_codes import ExitCode

Json = dict[str, Any]
SETTING = "VIDEOVECTOR_ALLOW_LOOPBACK_ENDPOINTS"
FIX = "set the endpoint to your storage server"
ALLOW = "whoever runs the operator can allow loopback endpoints in its settings"


@pytest.fixture
def proxy(gateway: VersityGateway, s3) -> Iterator[FaultProxy]:
    """The way to the gateway, on loopback: it sees whoever comes."""
    with FaultProxy(gateway.endpoint) as proxy:
        yield proxy


def port_of(proxy: FaultProxy) -> int | None:
    return urlsplit(proxy.endpoint).port


@dataclass(frozen=True)
class Case:
    """One Connector: where its endpoint points, and what must be said of it."""

    host: str
    said: tuple[str, ...]
    provider: str = "s3"

    def spec(self, port: int | None) -> Json:
        """The Connector; its Secret holds the keys of every provider."""
        blocks: dict[str, Json] = {
            "s3": {"bucket": "media", "region": "us-east-1", "forcePathStyle": True},
            "gcs": {"bucket": "media", "projectId": "studio"},
            "azure": {"storageAccount": "studio", "container": "media"},
        }
        block = {**blocks[self.provider], "endpoint": f"http://{self.host}:{port}"}
        return {"provider": self.provider, self.provider: block, "credentialsSecretRef": {"name": "creds"}}


def metadata(host: str, provider: str = "s3") -> Case:
    words = f"The endpoint leads to {host.strip('[]')}, a link-local or cloud metadata address, which must not be used"
    return Case(host, (words, FIX), provider)


def loopback(host: str, provider: str = "s3") -> Case:
    words = f"The endpoint leads to {host.strip('[]')}, a loopback address, which must not be used"
    return Case(host, (words, FIX, ALLOW), provider)


FORBIDDEN = {
    "metadata": metadata("169.254.169.254"),
    "metadata, decimal": metadata("2852039166"),
    "metadata, hexadecimal": metadata("0xa9fea9fe"),
    "metadata, octal": metadata("0251.0376.0251.0376"),
    "metadata, mapped": metadata("[::ffff:169.254.169.254]"),
    "metadata, mapped hexadecimal": metadata("[::ffff:a9fe:a9fe]"),
    "metadata by its name": Case(
        "metadata.google.internal",
        ("The endpoint's host 'metadata.google.internal' is a cloud metadata service, which must not be used", FIX),
    ),
    "metadata as Cloud Storage": metadata("169.254.169.254", "gcs"),
    "metadata as Azure": metadata("0xa9.0xfe.0xa9.0xfe", "azure"),
    "link-local of IPv6": metadata("[fe80::1]"),
    "loopback": loopback("127.0.0.1"),
    "loopback, short": loopback("127.1"),
    "loopback, decimal": loopback("2130706433"),
    "loopback, hexadecimal": loopback("0x7f.0.0.1"),
    "loopback, octal": loopback("017700000001"),
    "loopback, mapped": loopback("[::ffff:127.0.0.1]"),
    "loopback of IPv6": loopback("[::1]"),
    "loopback as Cloud Storage": loopback("127.0.0.1", "gcs"),
    "loopback as Azure": loopback("127.0.0.1", "azure"),
    "localhost": loopback("localhost"),
    "a name below localhost": loopback("media.localhost"),
    "nowhere, which is this host": Case("0.0.0.0", ("The endpoint leads to 0.0.0.0, an unspecified address", FIX)),
    "digits of another script": Case(
        "\u2460\u2461\u2466.0.0.1", ("The endpoint must be an http or https URL", "for instance https://")
    ),
}


def test_a_connector_that_leads_to_a_forbidden_address_is_stalled_and_nobody_goes_there(
    world: World, start_operator: StartOperator, gateway: VersityGateway, proxy: FaultProxy
) -> None:
    world.create_secret(
        "creds",
        accessKeyId=gateway.access_key,
        secretAccessKey=gateway.secret_key,
        accountKey="YSBrZXkgdGhhdCBub2JvZHkga25vd3M=",
        **{"credentials.json": make_account("importer", "studio")[0].key_file()},
    )
    start_operator(**{SETTING: "false"}).wait_ready()
    with StateRecorder(world) as recorder:
        for number, case in enumerate(FORBIDDEN.values()):
            world.create("Connector", f"sly-{number}", case.spec(port_of(proxy)))
        for number, (name, case) in enumerate(FORBIDDEN.items()):
            stalled = condition(world.wait("Connector", f"sly-{number}", is_stalled), "Stalled")
            assert stalled["reason"] == "InvalidEndpoint", (name, stalled)
            assert [words for words in case.said if words not in stalled["message"]] == [], (name, stalled)
    assert recorder.violations() == []
    assert not [body for body in recorder.states if condition(body, "Ready").get("status") == "True"]
    assert proxy.requests() == []


URL = "s3.endpoint must be http:// or https://, a host and perhaps a port and a path"
REFUSED = {
    "a user": ("http://s3@169.254.169.254/", "s3.endpoint must not hold credentials"),
    "a host before the host": ("http://s3.example.com:80@127.0.0.1/", "s3.endpoint must not hold credentials"),
    "a query": ("http://169.254.169.254?/latest", "s3.endpoint must not hold a query"),
    "a fragment": ("http://127.0.0.1#.example.com", URL),
    "no scheme": ("169.254.169.254", URL),
    "another scheme": ("gopher://127.0.0.1:9000", URL),
    "no host": ("http:///127.0.0.1:9000", URL),
    "a space": ("http://127.0.0.1 .example.com", URL),
    "a line feed": ("http://127.0.0.1\n.example.com", URL),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_endpoint_at_all_is_refused_before_the_operator_sees_it(case: str, world: World) -> None:
    endpoint, said = REFUSED[case]
    block = {"bucket": "media", "region": "us-east-1", "endpoint": endpoint}
    body = {
        "apiVersion": "videovector.io/v1alpha1",
        "kind": "Connector",
        "metadata": {"name": "sly"},
        "spec": {"provider": "s3", "s3": block},
    }
    status, text = world.api.request("POST", world.path("Connector"), body)
    assert status == 422, text
    assert "spec.s3.endpoint" in text
    assert said in text


def admit(dsn: str, spec: RunSpec) -> None:
    """Write the row of a run, as the operator does before the first pod starts."""

    async def admitted() -> bool:
        async with PostgresCatalog(dsn) as catalog:
            return await catalog.admit_run(spec)

    assert asyncio.run(admitted())


def work(run_id: str, dsn: str, credentials: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the product's worker to its end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VIDEOVECTOR_")}
    return subprocess.run(
        [sys.executable, "-m", "videovector_operator", "worker", "import", "--run", run_id],
        env={
            **inherited,
            "PYTHONPATH": str(ROOT / "operator"),
            "VIDEOVECTOR_CATALOG_DSN": dsn,
            "VIDEOVECTOR_CREDENTIALS_DIRECTORY": str(credentials),
            **env,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def ended(dsn: str, run_id: str) -> tuple[Any, ...]:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT state, reason, message FROM runs WHERE run_id = %s", [run_id]).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.0.0.1", "localhost"])
def test_a_worker_does_not_go_to_loopback_unless_it_may(
    host: str, proxy: FaultProxy, gateway: VersityGateway, s3, dsn: str, tmp_path: Path
) -> None:
    prefix = f"{tmp_path.name}/"
    fill_folder(s3, prefix)
    (tmp_path / "accessKeyId").write_text(gateway.access_key)
    (tmp_path / "secretAccessKey").write_text(gateway.secret_key)
    source: dict[str, JsonValue] = {"provider": "s3", "bucket": "media", "region": "us-east-1", "forcePathStyle": True}
    source["endpoint"] = f"http://{host}:{port_of(proxy)}"
    for run_id in ("job_default", "job_forbidden", "job_allowed"):
        admit(dsn, RunSpec(run_id, "media", run_id, f"idx_{run_id}", "conn_1", "s3://media", source, prefix))

    for run_id, env in (("job_default", {}), ("job_forbidden", {SETTING: "false"})):
        done = work(run_id, dsn, tmp_path, **env)
        assert done.returncode == ExitCode.USER_MUST_ACT, done.stdout
        state, reason, message = ended(dsn, run_id)
        assert (state, reason) == ("failed", "SourceUnusable")
        for words in loopback(host).said:
            assert words in message
            assert words in done.stdout
    assert proxy.requests() == []

    # The setting alone makes the difference.
    done = work("job_allowed", dsn, tmp_path, **{SETTING: "true"})
    assert done.returncode == ExitCode.OK, done.stdout
    assert ended(dsn, "job_allowed")[:2] == ("completed", "CompletedWithFailures")
    assert proxy.requests() != []


def test_workers_are_forbidden_what_their_operator_is_forbidden(
    world: World, start_operator: StartOperator, connector_spec, credentials, proxy: FaultProxy, s3, dsn: str
) -> None:
    """The Connector was found good while loopback was allowed; the operator of today forbids it."""
    prefix = f"{world.namespace}/"
    fill_folder(s3, prefix)
    connector_spec["s3"]["endpoint"] = proxy.endpoint
    operator = start_operator().wait_ready()
    world.create("Connector", "archive", connector_spec)
    world.create("Index", "films", {})
    with LocalKubelet(world) as kubelet:
        world.create("ImportJob", "allowed", run_spec(prefix))
        assert_imported_once(world, dsn, world.wait("ImportJob", "allowed", is_ready, 60))
        operator.stop()
        start_operator(**{SETTING: "false"}).wait_ready()
        proxy.forget()
        world.create("ImportJob", "forbidden", run_spec(prefix))
        stalled = condition(world.wait("ImportJob", "forbidden", is_stalled, 60), "Stalled")
        assert kubelet.started == 2
    assert stalled["reason"] == "SourceUnusable"
    assert [words for words in loopback("127.0.0.1").said if words not in stalled["message"]] == []
    assert proxy.requests() == []
