"""The operator's Prometheus metrics: one object that others call, and the text that /metrics serves.

Knows no Kubernetes and no queue; it is told.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

_FAST = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """All metrics of one operator process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._register_work()
        self._register_requests()
        self._register_process()

    def _register_work(self) -> None:
        self.queue_depth = Gauge("videovector_queue_depth", "Objects waiting to be looked at", registry=self.registry)
        self.queue_delayed = Gauge("videovector_queue_delayed", "Objects to be looked at later", registry=self.registry)
        self.queue_wait = Histogram(
            "videovector_queue_wait_seconds",
            "Time an object waited in the queue",
            buckets=_FAST,
            registry=self.registry,
        )
        self.reconcile = Histogram(
            "videovector_reconcile_duration_seconds",
            "Duration of one look at one object",
            ("kind", "result"),
            buckets=_FAST,
            registry=self.registry,
        )
        self.status_writes = Counter(
            "videovector_status_writes_total",
            "Status patches that changed something",
            ("kind",),
            registry=self.registry,
        )

    def _register_requests(self) -> None:
        self.api_calls = Counter(
            "videovector_kubernetes_requests_total",
            "Requests to the Kubernetes API",
            ("verb", "kind", "code"),
            registry=self.registry,
        )
        self.api_seconds = Histogram(
            "videovector_kubernetes_request_duration_seconds",
            "Duration of requests to the Kubernetes API",
            ("verb",),
            buckets=_FAST,
            registry=self.registry,
        )
        self.throttled = Counter(
            "videovector_kubernetes_throttled_seconds_total",
            "Seconds that writes waited for the operator's own rate limit",
            registry=self.registry,
        )

        self.own_api_requests = Counter(
            "videovector_operator_api_requests_total",
            "Requests to the operator's own API",
            ("route", "code"),
            registry=self.registry,
        )

    def _register_process(self) -> None:
        self.watch_age = Gauge(
            "videovector_watch_last_event_age_seconds",
            "Seconds since the last watch event",
            ("kind",),
            registry=self.registry,
        )
        self.leader = Gauge("videovector_leader", "1 while this process is the leader", registry=self.registry)
        self.loop_lag = Gauge(
            "videovector_loop_lag_seconds", "Delay of the event loop at the last check", registry=self.registry
        )
        self.events_dropped = Gauge(
            "videovector_events_dropped", "Kubernetes Events dropped because too many came", registry=self.registry
        )

    def observe_call(self, verb: str, kind: str, code: int, seconds: float) -> None:
        """Count one request to the Kubernetes API (code 0 = no answer)."""
        self.api_calls.labels(verb, kind, str(code)).inc()
        self.api_seconds.labels(verb).observe(seconds)

    def observe_own_request(self, route: str, code: int) -> None:
        """Count one request to the operator's own API."""
        self.own_api_requests.labels(route, str(code)).inc()

    def render(self) -> bytes:
        """Text in the Prometheus exposition format."""
        return generate_latest(self.registry)
