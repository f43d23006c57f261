"""Wires the operator process: settings → adapters → parts. No decision and no loop may enter."""

from __future__ import annotations

import os
import random
import socket
import time
from datetime import UTC, datetime
from functools import partial

from kubernetes.aio import config as kube_config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from videovector_operator.api.v1alpha1.connector import Connector
from videovector_operator.api.v1alpha1.importjob import ImportJob
from videovector_operator.api.v1alpha1.index import Index
from videovector_operator.app.operator_api import build_api
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.kubernetes_api import KubernetesCluster
from videovector_operator.cluster.throttle import TokenBucket
from videovector_operator.control.health import Health
from videovector_operator.control.leadership import LeaseSettings
from videovector_operator.control.metrics import Metrics
from videovector_operator.control.operator import OperatorProcess, OperatorSettings
from videovector_operator.control.process import Processor, Reconciler
from videovector_operator.control.recorder import EventRecorder
from videovector_operator.control.routes import WATCHED_KINDS
from videovector_operator.core.children import WorkerTemplate
from videovector_operator.core.import_status import ListsHint
from videovector_operator.reconcilers.connector import ConnectorReconciler
from videovector_operator.reconcilers.importjob import ImportJobReconciler
from videovector_operator.reconcilers.index import IndexReconciler
from videovector_operator.reconcilers.run_queues import RunQueues
from videovector_operator.reconcilers.worker_job import WorkerJobs
from videovector_operator.settings import Settings
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.port import StorageOptions


def utc_now() -> datetime:
    """The clock of the whole process."""
    return datetime.now(UTC)


def open_catalog(settings: Settings) -> PostgresCatalog:
    """Open the catalog; no connection is made yet."""
    return PostgresCatalog(settings.catalog_dsn.get_secret_value(), max_connections=settings.catalog_pool_size)


async def run_operator(settings: Settings) -> bool:
    """Run the operator until SIGTERM or SIGINT. True = ended because it was asked to."""
    metrics = Metrics()
    async with ApiClient(await _load_kubernetes_config()) as api, open_catalog(settings) as catalog:
        process = _build_operator(settings, api, catalog, metrics)
        return await process.run()


async def _load_kubernetes_config() -> Configuration:
    """The service account inside a cluster, else kubeconfig: the same order as kopf's watches take."""
    configuration = Configuration()
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # the client has no types here
    else:
        await kube_config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # as above
    return configuration


def _build_operator(settings: Settings, api: ApiClient, catalog: PostgresCatalog, metrics: Metrics) -> OperatorProcess:
    bucket = TokenBucket(
        settings.api_writes_per_second,
        settings.api_write_burst,
        clock=time.monotonic,
        on_wait=metrics.throttled.inc,
    )
    run_queues = RunQueues()
    cluster = CachedCluster(
        KubernetesCluster(api, write_permit=bucket.acquire, observe_call=metrics.observe_call, clock=time.monotonic),
        WATCHED_KINDS,
        run_queues.hear,
    )
    instance = settings.pod_name or socket.gethostname()
    recorder = EventRecorder(cluster, clock=utc_now, instance=instance)
    processor = Processor(
        cluster=cluster,
        reconcilers=_build_reconcilers(settings, cluster, catalog, run_queues),
        record=recorder.record,
        clock=utc_now,
        random_unit=random.random,
    )
    own_api = build_api(
        settings, api, cluster, catalog, storage=_test_options(settings), metrics=metrics, clock=utc_now
    )
    return OperatorProcess(
        _operator_settings(settings, instance),
        api=api,
        cluster=cluster,
        catalog=catalog,
        run_queues=run_queues,
        processor=processor,
        recorder=recorder,
        metrics=metrics,
        health=Health(clock=time.monotonic),
        parts={"the operator's own API": own_api.run} if own_api is not None else {},
    )


def _operator_settings(settings: Settings, instance: str) -> OperatorSettings:
    # The process id tells two processes apart that share a host name.
    lease = LeaseSettings(
        name=settings.lease_name,
        namespace=settings.pod_namespace,
        identity=f"{instance}_{os.getpid()}_{int(time.time())}",
        duration=settings.lease_duration_seconds,
        renew_deadline=settings.lease_duration_seconds / 2,
        # A standby may see the last renewal so much late, and that the Lease has run out so much late again.
        retry_period=max(settings.lease_duration_seconds / 12, 1.0),
        request_timeout=settings.lease_duration_seconds / 8,
    )
    return OperatorSettings(
        namespaces=settings.namespaces,
        workers=settings.workers,
        resync_seconds=settings.resync_seconds,
        http_host=settings.http_host,
        http_port=settings.http_port,
        lease=lease,
    )


def _build_reconcilers(
    settings: Settings, cluster: CachedCluster, catalog: PostgresCatalog, run_queues: RunQueues
) -> dict[str, Reconciler]:
    worker_dsn = settings.catalog_worker_dsn or settings.catalog_dsn
    open_for_tests = partial(open_storage, options=_test_options(settings))
    connector = ConnectorReconciler(cluster, open_for_tests, utc_now, run_queues.use_of)
    index = IndexReconciler(cluster, catalog, utc_now)
    import_job = ImportJobReconciler(
        cluster,
        catalog,
        utc_now,
        workers=WorkerJobs(cluster, _build_template(settings), worker_dsn.get_secret_value()),
        queues=run_queues,
        hint=ListsHint(settings.lists_command),
    )
    return {
        Connector.__name__: connector.reconcile,
        Index.__name__: index.reconcile,
        ImportJob.__name__: import_job.reconcile,
    }


def _test_options(settings: Settings) -> StorageOptions:
    """Few tries: whoever tests a connection comes back with a backoff of its own, and people wait for the verdict."""
    return StorageOptions(
        timeout_seconds=settings.storage_timeout_seconds,
        attempts=2,
        endpoints=EndpointPolicy(allow_loopback=settings.allow_loopback_endpoints),
    )


def _build_template(settings: Settings) -> WorkerTemplate:
    return WorkerTemplate(
        image=settings.worker_image,
        image_pull_policy=settings.worker_image_pull_policy,
        image_pull_secrets=settings.worker_image_pull_secrets,
        service_account=settings.worker_service_account,
        env={
            "VIDEOVECTOR_ALLOW_LOOPBACK_ENDPOINTS": str(settings.allow_loopback_endpoints).lower(),
            **settings.worker_env,
        },
        resources=settings.worker_resources,
        backoff_limit=settings.worker_backoff_limit,
        active_deadline_seconds=settings.worker_active_deadline_seconds,
        pod_template=settings.worker_pod_template,
    )
