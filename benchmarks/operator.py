"""How fast and how small the operator is: cold start, memory, silence at rest, change → status.

Run: ``python -m benchmarks.operator [--objects 1000]``. A third each are Connectors with a real connection test against a
real S3 server, Indexes, and ImportJobs whose runs have ended; the API server and the database are real, and everything
runs on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from kubernetes.aio import config as kube_config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from tests.support.operator_process import ROOT, OperatorProcess
from tools.devcluster.cluster import Cluster, Mode
from tools.testservers.clients import s3_client
from tools.testservers.postgres import PostgresServer
from tools.testservers.versitygw import VersityGateway
from videovector_operator.api.crd_files import render_crds
from videovector_operator.catalog.migrate import migrate
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.cluster.kubernetes_api import KubernetesCluster
from videovector_operator.core import names
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.records import RunSpec

BUCKET = "bench"
IN_FLIGHT = 32
IDLE_SECONDS = 20.0
CHANGES = 200
Json = dict[str, Any]


def _object(kind: str, namespace: str, name: str, spec: Json) -> Json:
    return {
        "apiVersion": "videovector.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def build_objects(namespace: str, count: int, endpoint: str) -> Iterator[Json]:
    """A third each: Connectors, Indexes, ImportJobs that refer to them."""
    s3 = {"bucket": BUCKET, "region": "us-east-1", "endpoint": endpoint, "forcePathStyle": True}
    for number in range(count // 3):
        connector = {"provider": "s3", "s3": s3, "credentialsSecretRef": {"name": "creds"}, "validationInterval": "1h"}
        yield _object("Connector", namespace, f"conn-{number}", connector)
        yield _object("Index", namespace, f"index-{number}", {"displayName": f"Index {number}"})
        references = {"connectorRef": {"name": f"conn-{number}"}, "indexRef": {"name": f"index-{number}"}}
        yield _object("ImportJob", namespace, f"job-{number}", references)


async def _gather(coroutines: list[Any]) -> list[Any]:
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(coroutine: Any) -> Any:
        async with gate:
            return await coroutine

    return await asyncio.gather(*(one(coroutine) for coroutine in coroutines))


async def finish_run(catalog: PostgresCatalog, job: Json) -> None:
    """Bring the run of an ImportJob to its end, as its workers would have."""
    meta = job["metadata"]
    run_id = names.import_run_id(meta["uid"])
    spec = RunSpec(
        run_id=run_id,
        namespace=meta["namespace"],
        name=meta["name"],
        index_id=names.index_id(meta["namespace"], job["spec"]["indexRef"]["name"]),
        connector_id=names.connector_id(meta["namespace"], job["spec"]["connectorRef"]["name"]),
        location="s3://bench",
        source={},
    )
    await catalog.admit_run(spec)
    await catalog.start_run(run_id)
    await catalog.claim_scan(run_id, "bench", timedelta(seconds=60))
    await catalog.finish_scan(run_id, "bench")
    await catalog.finish_run(run_id)


async def _noop() -> None:
    return None


class Bench:
    """One namespace on a running cluster."""

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._api = api
        self.cluster = KubernetesCluster(api, write_permit=_noop, observe_call=lambda *_: None, clock=time.monotonic)

    async def everything(self) -> list[Json]:
        """All our objects."""
        found: list[Json] = []
        for kind in ("Connector", "Index", "ImportJob"):
            async for page in self.cluster.list_pages(kind, self.namespace):
                found.extend(page)
        return found

    async def count_ready(self) -> int:
        """Objects that are Ready and up to date."""
        return sum(1 for body in await self.everything() if _is_ready(body))

    async def watch_indexes(self) -> AsyncIterator[Json]:
        """Watch events of the Indexes from now on."""
        from kubernetes.aio.client.api.custom_objects_api import CustomObjectsApi
        from kubernetes.aio.watch import Watch

        listed = CustomObjectsApi(self._api).list_namespaced_custom_object
        first: Any = await listed("videovector.io", "v1alpha1", self.namespace, "indexes")
        version = first["metadata"]["resourceVersion"]
        async with Watch() as watch:  # type: ignore[no-untyped-call]  # the client has no types here
            async for event in watch.stream(
                listed, "videovector.io", "v1alpha1", self.namespace, "indexes", resource_version=version
            ):
                yield event["object"]


def _is_ready(body: Json) -> bool:
    status = body.get("status") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    return ready and status.get("observedGeneration") == body["metadata"]["generation"]


async def measure_cold_start(bench: Bench, operator: OperatorProcess, total: int) -> float:
    """Seconds from starting the process until every object is Ready."""
    began = time.monotonic()
    operator.start()
    deadline = began + 600
    while True:
        await asyncio.sleep(0.2)
        if operator.returncode is not None or time.monotonic() > deadline:
            raise SystemExit(f"the operator did not get there: {operator.tail()}")
        if not operator.probe("/healthz") or operator.metric("videovector_status_writes_total") < total:
            continue
        took = time.monotonic() - began
        if await bench.count_ready() == total:
            return took


async def measure_idle(bench: Bench) -> int:
    """Objects that changed while nobody asked for anything."""
    before = {b["metadata"]["uid"]: b["metadata"]["resourceVersion"] for b in await bench.everything()}
    await asyncio.sleep(IDLE_SECONDS)
    after = {b["metadata"]["uid"]: b["metadata"]["resourceVersion"] for b in await bench.everything()}
    return sum(1 for uid, version in after.items() if before.get(uid) != version)


async def measure_changes(bench: Bench, indexes: int) -> list[float]:
    """Seconds from sending a change of an Index's displayName to seeing it in its status, through a watch."""
    sent: dict[str, float] = {}
    seen: dict[str, float] = {}

    async def follow() -> None:
        async for body in bench.watch_indexes():
            name = (body.get("status") or {}).get("displayName", "")
            if name in sent and name not in seen:
                seen[name] = time.monotonic()
                if len(seen) == CHANGES:
                    return

    follower = asyncio.create_task(follow())
    await asyncio.sleep(1.0)
    for number in range(CHANGES):
        name = f"changed {number}"
        key = ObjectKey("Index", bench.namespace, f"index-{number % indexes}")
        sent[name] = time.monotonic()
        await bench.cluster.patch(key, {"spec": {"displayName": name}})
        await asyncio.sleep(0.05)
    await asyncio.wait_for(follower, 60)
    return [seen[name] - sent[name] for name in sent]


@contextmanager
def servers() -> Iterator[tuple[Cluster, PostgresServer, VersityGateway]]:
    """A light cluster, a database and an S3 server of our own."""
    cluster = Cluster("bench")
    postgres, gateway = PostgresServer("bench-postgres"), VersityGateway("bench-s3")
    try:
        cluster.up(Mode.API)
        postgres.start()
        gateway.start()
        yield cluster, postgres, gateway
    finally:
        gateway.remove()
        postgres.remove()
        cluster.down(purge=True)


async def run(objects: int) -> bool:
    """Measure and print; True when every target holds."""
    with servers() as (cluster, postgres, gateway), tempfile.TemporaryDirectory() as scratch:
        _prepare_bucket(gateway)
        dsn = postgres.create_database(f"bench{uuid.uuid4().hex[:8]}")
        migrate(dsn)
        configuration = Configuration()
        await kube_config.load_kube_config(  # type: ignore[no-untyped-call]  # the client has no types here
            config_file=str(cluster.layout.kubeconfig), client_configuration=configuration
        )
        namespace = "bench"
        operator = OperatorProcess(cluster.layout.kubeconfig, dsn, Path(scratch) / "operator.log", namespaces=namespace)
        async with ApiClient(configuration) as api:
            try:
                return await _measure(Bench(api, namespace), operator, objects, (cluster, dsn, gateway))
            finally:
                operator.stop()


async def _measure(
    bench: Bench, operator: OperatorProcess, objects: int, parts: tuple[Cluster, str, VersityGateway]
) -> bool:
    cluster, dsn, gateway = parts
    total = await _create_objects(bench, cluster, dsn, gateway, objects)
    print(f"{total} objects: a third each Connectors (real S3 tests), Indexes, finished ImportJobs")
    cold = await measure_cold_start(bench, operator, total)
    rss, cpu = operator.rss_mib(), operator.cpu_seconds()
    writes = operator.metric("videovector_status_writes_total")
    changed = await measure_idle(bench)
    delays = sorted(await measure_changes(bench, total // 3))
    p95 = statistics.quantiles(delays, n=20)[-1]
    limit = 15.0 if total <= 1000 else 75.0
    rows = [
        ("cold start → all Ready", f"{cold:.1f} s", f"≤ {limit:.0f} s", cold <= limit),
        ("processor time until then", f"{cpu:.1f} s ({cpu / total * 1000:.1f} ms an object)", "", True),
        ("resident memory", f"{rss:.0f} MiB", "≤ 130 MiB at 1,000", rss <= 130 or total > 1000),
        ("status writes", f"{writes:.0f} ({writes / total:.2f} an object)", "", True),
        (f"objects changed in {IDLE_SECONDS:.0f} s at rest", str(changed), "0", changed == 0),
        ("change → status p50", f"{statistics.median(delays) * 1000:.0f} ms", "", True),
        ("change → status p95", f"{p95 * 1000:.0f} ms", "≤ 300 ms", p95 <= 0.3),
    ]
    for name, value, target, holds in rows:
        print(f"{name:34} {value:24} {target:20} {'ok' if holds else 'MISSED'}")
    return all(holds for *_, holds in rows)


def _prepare_bucket(gateway: VersityGateway) -> None:
    client = s3_client(gateway)
    client.create_bucket(Bucket=BUCKET)
    for number in range(12):
        client.put_object(Bucket=BUCKET, Key=f"clip-{number}.mp4", Body=b"x" * 100)


async def _create_objects(bench: Bench, cluster: Cluster, dsn: str, gateway: VersityGateway, count: int) -> int:
    api = cluster.api
    import yaml

    for text in render_crds().values():
        crd = yaml.safe_load(text)
        api.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}", crd)
    api.apply(
        f"/api/v1/namespaces/{bench.namespace}",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": bench.namespace}},
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "creds", "namespace": bench.namespace},
        "stringData": {"accessKeyId": gateway.access_key, "secretAccessKey": gateway.secret_key},
    }
    await asyncio.sleep(2)
    await bench.cluster.create(secret)
    bodies = list(build_objects(bench.namespace, count, gateway.endpoint))
    created = await _gather([bench.cluster.create(body) for body in bodies])
    async with PostgresCatalog(dsn, max_connections=4) as catalog:
        await _gather([finish_run(catalog, body) for body in created if body["kind"] == "ImportJob"])
    return len(bodies)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1000)
    sys.exit(0 if asyncio.run(run(parser.parse_args().objects)) else 1)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "operator"))
    main()
