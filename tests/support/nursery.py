"""Workers and operators as forks of one process that has loaded their modules already: fifty of them cost what a few would otherwise.

`Nursery` starts that process and asks it for others; run as a program this file is the process itself. A fork is a process
like any: it has a pid, an environment and a log of its own, and can be killed.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
_LOOK_SECONDS = 0.05


class Fork:
    """One process, as `subprocess.Popen` shows it."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    @property
    def returncode(self) -> int | None:
        return self._nursery.codes.get(self.pid)

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; raises subprocess.TimeoutExpired."""
        with self._nursery.changed:
            if not self._nursery.changed.wait_for(lambda: self.pid in self._nursery.codes, timeout):
                raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0)
            return self._nursery.codes[self.pid]


class Nursery:
    """Makes forks."""

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.changed = threading.Condition()
        self._orders = threading.Lock()
        self._pids: dict[str, int] = {}

    def __enter__(self) -> Self:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VIDEOVECTOR_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**environment, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", "AWS_EC2_METADATA_DISABLED": "true"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def start(self, name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> Fork:
        """Start ``videovector-operator ARGUMENTS`` with more environment; ``name`` is unique."""
        assert self._process.stdin is not None
        # It may be looked at before the fork has come to open it.
        log.touch(mode=0o600)
        order = {"name": name, "arguments": list(arguments), "env": dict(env), "log": str(log)}
        with self._orders:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        with self.changed:
            if not self.changed.wait_for(lambda: name in self._pids, 120):
                raise OSError("the nursery does not answer")
            return Fork(self, self._pids[name])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            news: dict[str, Any] = json.loads(line)
            with self.changed:
                if "name" in news:
                    self._pids[news["name"]] = news["pid"]
                else:
                    self.codes[news["pid"]] = news["code"]
                self.changed.notify_all()


@functools.cache
def shared_nursery() -> Nursery:
    """The nursery of this test process: started when first asked for, ended with it."""
    nursery = Nursery().__enter__()
    atexit.register(nursery.__exit__)
    return nursery


def _tell(news: dict[str, Any]) -> None:
    os.write(1, json.dumps(news).encode() + b"\n")


def _become(order: dict[str, Any]) -> None:
    """Turn this fork into what was ordered; never returns."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.update(order["env"])
    from kubernetes.aio.config import kube_config

    from videovector_operator.__main__ import cli

    # Read by the client when it is loaded, which was before there was this environment.
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = os.environ.get("KUBECONFIG", "")
    code = 1
    try:
        code = int(cli(order["arguments"], standalone_mode=False) or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    # What they load when they run, before they read their settings.
    import videovector_operator.app.operator
    import videovector_operator.app.worker
    import videovector_operator.catalog.postgres
    import videovector_operator.imports.run
    import videovector_operator.storage.open
    import videovector_operator.storage.s3  # noqa: F401

    # One thread alone: a fork of a process with threads may inherit their locks.
    unread = b""
    while True:
        if select.select([0], [], [], _LOOK_SECONDS)[0]:
            received = os.read(0, 65536)
            if not received:
                return
            *orders, unread = (unread + received).split(b"\n")
            for order in map(json.loads, orders):
                pid = os.fork()
                if pid == 0:
                    _become(order)
                _tell({"name": order["name"], "pid": pid})
        _reap()


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell({"pid": pid, "code": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    _serve()
