"""One namespace of a real API server as a test sees it: apply, look, wait, and watch every state that passes."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from tests.support.kstatus import check_status
from tools.devcluster.errors import DevClusterError
from tools.devcluster.fixtures import DevCluster

Json = dict[str, Any]
PLURALS = {"Connector": "connectors", "Index": "indexes", "ImportJob": "importjobs"}
GROUP = "/apis/videovector.io/v1alpha1"
CORE_KINDS = ("Secret", "ConfigMap", "ServiceAccount", "Pod", "Event")


def condition(body: Json, kind: str) -> Json:
    """The condition of that type, {} if it is absent."""
    found = [c for c in (body.get("status") or {}).get("conditions") or () if c["type"] == kind]
    return found[0] if found else {}


def is_ready(body: Json) -> bool:
    """Ready, and for the present generation."""
    ready = condition(body, "Ready").get("status") == "True"
    return ready and body["status"]["observedGeneration"] == body["metadata"]["generation"]


def is_stalled(body: Json) -> bool:
    """Stalled, and for the present generation."""
    stalled = condition(body, "Stalled").get("status") == "True"
    return stalled and body["status"]["observedGeneration"] == body["metadata"]["generation"]


class World:
    """A namespace."""

    def __init__(self, cluster: DevCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.api = cluster.control.api

    def path(self, kind: str, name: str = "") -> str:
        """Path of a collection or an object."""
        roots = {"Job": "/apis/batch/v1", **dict.fromkeys(CORE_KINDS, "/api/v1")}
        plural = PLURALS.get(kind) or f"{kind.lower()}s"
        base = f"{roots.get(kind, GROUP)}/namespaces/{self.namespace}/{plural}"
        return f"{base}/{name}" if name else base

    def create(self, kind: str, name: str, spec: Json, **metadata: Any) -> Json:
        """Create a custom resource."""
        body = {
            "apiVersion": "videovector.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        return self.api.create(self.path(kind), body)

    def create_secret(self, name: str, **data: str) -> Json:
        """Create a Secret."""
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        return self.api.create(self.path("Secret"), body)

    def get(self, kind: str, name: str) -> Json | None:
        """Read one object."""
        return self.api.get(self.path(kind, name))

    def list(self, kind: str) -> list[Json]:
        """Read all objects of a kind."""
        listed = self.api.get(self.path(kind)) or {}
        items: list[Json] = listed.get("items") or []
        return items

    def patch(self, kind: str, name: str, patch: Json) -> tuple[int, str]:
        """JSON merge patch; answers status and text."""
        return self.api.request("PATCH", self.path(kind, name), patch, kind="application/merge-patch+json")

    def annotate(self, kind: str, name: str, annotation: str, value: str | None) -> None:
        """Set or (None) remove one annotation."""
        status, text = self.patch(kind, name, {"metadata": {"annotations": {annotation: value}}})
        assert status == 200, text

    def wait(self, kind: str, name: str, until: Callable[[Json], bool], seconds: float = 60.0) -> Json:
        """Wait until ``until`` holds for the object; answers it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                body = self.get(kind, name)
            except (OSError, http.client.HTTPException, DevClusterError):
                # An API server that is busy for a moment is asked again.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
                continue
            if body is not None and until(body):
                return body
            if time.monotonic() > deadline:
                raise AssertionError(f"{kind} {name} after {seconds:.0f} s: {_brief(body)}")
            time.sleep(0.1)


class StateRecorder:
    """Every state of our objects in a namespace, from a watch a kind, in threads of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.states: list[Json] = []
        self._stop = threading.Event()
        self._open: set[http.client.HTTPSConnection] = set()
        self._threads = [threading.Thread(target=self._follow, args=(kind,), daemon=True) for kind in PLURALS]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for connection in list(self._open):
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def violations(self) -> list[str]:
        """What the recorded states break of the kstatus and Flux rules."""
        return [
            f"{body['kind']} {body['metadata']['name']} at {body['metadata']['resourceVersion']}: {problem}"
            for body in self.states
            for problem in check_status(body, end_of_pass=False)
        ]

    def _follow(self, kind: str) -> None:
        while not self._stop.is_set():
            try:
                self._stream(kind)
            except (OSError, http.client.HTTPException, ValueError):
                self._stop.wait(0.2)

    def _stream(self, kind: str) -> None:
        layout = self._world.cluster.control.layout
        connection = http.client.HTTPSConnection(layout.server_ip, 443, timeout=70, context=self._world.api.tls())
        self._open.add(connection)
        try:
            connection.request("GET", f"{self._world.path(kind)}?watch=1&timeoutSeconds=60")
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                # A watch of a CRD that was just changed is refused for a moment.
                raise http.client.HTTPException(f"watching {kind}: {answer.status}")
            for line in iter(answer.readline, b""):
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    self.states.append(event["object"])
                if self._stop.is_set():
                    return
        finally:
            self._open.discard(connection)
            connection.close()


def _brief(body: Json | None) -> str:
    """What a failed wait shows: spec and status."""
    return json.dumps({part: (body or {}).get(part) for part in ("spec", "status")}, indent=1)[:6000]
