"""Wires the operator's own API into the operator process. No decision may enter."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from kubernetes.aio.client.api_client import ApiClient

from videovector_operator.catalog.port import OperatorCatalog
from videovector_operator.cluster.cache import CachedCluster
from videovector_operator.cluster.kubernetes_api import KubernetesCluster
from videovector_operator.cluster.throttle import TokenBucket
from videovector_operator.control.metrics import Metrics
from videovector_operator.operator_api.browse import Browser
from videovector_operator.operator_api.files import FileLister
from videovector_operator.operator_api.routes import Routes
from videovector_operator.operator_api.server import Address, ApiServer
from videovector_operator.operator_api.trust import TrustReader
from videovector_operator.settings import Settings
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.port import StorageOptions

_REVIEWS_PER_SECOND = 40.0
_REVIEW_BURST = 80


def build_api(
    settings: Settings,
    api: ApiClient,
    cluster: CachedCluster,
    catalog: OperatorCatalog,
    *,
    storage: StorageOptions,
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> ApiServer | None:
    """Build the API's server; None = the settings want none."""
    if settings.api_port == 0:
        return None
    routes = Routes(
        reviews=_build_reviews(api, metrics),
        browser=Browser(cluster, partial(open_storage, options=storage)),
        lister=FileLister(cluster, catalog),
        namespaces=settings.namespaces,
        observe=metrics.observe_own_request,
    )
    directory = settings.api_tls_directory
    trust = TrustReader(
        cluster,
        clock,
        directory=Path(directory) if directory else None,
        client_certificates=settings.api_client_certificates,
    )
    return ApiServer(Address(settings.api_host, settings.api_port), routes, trust)


def _build_reviews(api: ApiClient, metrics: Metrics) -> KubernetesCluster:
    """The Kubernetes API as it is asked about people: with a limit of its own, so that no flood of strangers' requests
    uses up what the operator may write."""
    bucket = TokenBucket(_REVIEWS_PER_SECOND, _REVIEW_BURST, clock=time.monotonic)
    return KubernetesCluster(
        api, write_permit=bucket.acquire, observe_call=metrics.observe_call, clock=time.monotonic, timeout_seconds=10.0
    )
