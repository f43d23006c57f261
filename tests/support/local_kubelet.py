"""Runs the pods of import Jobs as plain processes, for tests on an API server without nodes.

It does what a kubelet does for the Job controller: starts what the pod says with the environment it says, and reports
Running, Succeeded or Failed. Killing a process here is killing a pod.
"""

from __future__ import annotations

import base64
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

from tests.support.nursery import Fork, shared_nursery
from tests.support.world import World

Json = dict[str, Any]
_LOOK_SECONDS = 0.15
_NOT_OVER = "?fieldSelector=status.phase!=Succeeded,status.phase!=Failed"


class LocalKubelet:
    """A kubelet for one namespace."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._scratch = tempfile.TemporaryDirectory()
        self._processes: dict[str, Fork] = {}
        self._reported: set[str] = set()
        self.started = 0
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
                process.wait(60)
        self._scratch.cleanup()

    def running(self) -> list[Fork]:
        """Processes of pods that have not ended."""
        return [process for process in list(self._processes.values()) if process.poll() is None]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the API server may be away; the next look is soon
                self.errors.append(repr(error))
            self._stop.wait(_LOOK_SECONDS)

    def _look(self) -> None:
        listed = self._world.api.get(self._world.path("Pod") + _NOT_OVER) or {}
        pods = {pod["metadata"]["uid"]: pod for pod in listed.get("items") or ()}
        for uid, pod in pods.items():
            process = self._processes.get(uid)
            if process is None and not pod["metadata"].get("deletionTimestamp"):
                self._start(uid, pod)
            elif process is not None and (code := process.poll()) is not None and uid not in self._reported:
                self._report_end(uid, pod, code)
        for uid, process in self._processes.items():
            gone = uid not in pods or pods[uid]["metadata"].get("deletionTimestamp")
            if gone and process.poll() is None:
                process.terminate()

    def _start(self, uid: str, pod: Json) -> None:
        container = pod["spec"]["containers"][0]
        env = {entry["name"]: value for entry in container["env"] if (value := self._value(entry, pod)) is not None}
        for volume in pod["spec"].get("volumes") or ():
            if volume["name"] == "credentials":
                directory = self._mount(f"{uid}-credentials", volume["projected"]["sources"])
                env["VIDEOVECTOR_CREDENTIALS_DIRECTORY"] = str(directory)
            elif volume["name"] == "ca":
                env["VIDEOVECTOR_CA_BUNDLE_FILE"] = str(self._mount(f"{uid}-ca", [volume]) / "ca.crt")
        self._processes[uid] = self._spawn(uid, container["args"], env)
        self.started += 1
        self._report(pod, "Running", {"running": {}}, ready=True)

    def _spawn(self, uid: str, arguments: list[str], env: dict[str, str]) -> Fork:
        log = Path(self._scratch.name) / f"{uid}.log"
        return shared_nursery().start(uid, arguments, env, log)

    def _value(self, entry: Json, pod: Json) -> str | None:
        source = entry.get("valueFrom") or {}
        if "secretKeyRef" in source:
            secret = self._world.get("Secret", source["secretKeyRef"]["name"])
            assert secret is not None, f"{entry['name']}: no Secret {source['secretKeyRef']['name']}"
            return base64.b64decode(secret["data"][source["secretKeyRef"]["key"]]).decode()
        if "fieldRef" in source:
            name: str = pod["metadata"]["name"]
            return name
        return entry.get("value")

    def _mount(self, name: str, sources: list[Json]) -> Path:
        """Write the chosen keys of Secrets and ConfigMaps into one directory."""
        directory = Path(self._scratch.name) / name
        directory.mkdir(exist_ok=True)
        for source in sources:
            kind = "Secret" if "secret" in source else "ConfigMap"
            wanted = source.get("secret") or source["configMap"]
            body = self._world.get(kind, wanted.get("secretName") or wanted["name"]) or {}
            data = body.get("data") or {}
            for item in wanted["items"]:
                value = data.get(item["key"])
                assert value is not None or wanted.get("optional"), f"{name}: no key {item['key']}"
                if value is not None:
                    content = base64.b64decode(value) if kind == "Secret" else value.encode()
                    (directory / item["path"]).write_bytes(content)
        return directory

    def _report_end(self, uid: str, pod: Json, code: int) -> None:
        exit_code = code if code >= 0 else 128 - code
        state = {"terminated": {"exitCode": exit_code, "reason": "Completed" if exit_code == 0 else "Error"}}
        self._report(pod, "Succeeded" if exit_code == 0 else "Failed", state, ready=False)
        self._reported.add(uid)

    def _report(self, pod: Json, phase: str, state: Json, *, ready: bool) -> None:
        container = {
            "name": pod["spec"]["containers"][0]["name"],
            "image": "local",
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": state,
        }
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        body = {"status": {"phase": phase, "conditions": conditions, "containerStatuses": [container]}}
        path = self._world.path("Pod", pod["metadata"]["name"]) + "/status"
        self._world.api.request("PATCH", path, body, kind="application/merge-patch+json")

    def log(self) -> str:
        """What all pods have printed."""
        return "\n".join(path.read_text(errors="replace") for path in Path(self._scratch.name).glob("*.log"))
