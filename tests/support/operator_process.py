"""The operator as a process of its own, as tests and benchmarks start, kill and look at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support.nursery import Fork, Nursery
from tools.testservers.ports import free_port

# Compiled modules may be kept: a cold start in an image has them too.
_NOT_PASSED_ON = ("VIDEOVECTOR_", "PYTHONDONTWRITEBYTECODE")
ROOT = Path(__file__).resolve().parents[2]


class OperatorProcess:
    """``python -m videovector_operator operator`` with given settings; its log goes to a file.

    With a ``nursery`` it has loaded its modules before it is started.
    """

    def __init__(
        self,
        kubeconfig: Path,
        dsn: str,
        log: Path,
        *,
        namespaces: str = "",
        env: Mapping[str, str] | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self._nursery = nursery
        self.port = free_port()
        self.api_port = free_port()
        self.log = log
        self._process: subprocess.Popen[bytes] | Fork | None = None
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)},
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(kubeconfig),
            "AWS_EC2_METADATA_DISABLED": "true",
            "VIDEOVECTOR_CATALOG_DSN": dsn,
            "VIDEOVECTOR_NAMESPACES": namespaces,
            "VIDEOVECTOR_POD_NAMESPACE": namespaces.partition(",")[0] or "default",
            "VIDEOVECTOR_HTTP_HOST": "127.0.0.1",
            "VIDEOVECTOR_ALLOW_LOOPBACK_ENDPOINTS": "true",
            "VIDEOVECTOR_HTTP_PORT": str(self.port),
            "VIDEOVECTOR_API_PORT": str(self.api_port),
            "VIDEOVECTOR_WORKER_IMAGE": "docker.io/local/videovector-operator:dev",
            **(env or {}),
        }

    @property
    def pid(self) -> int:
        """Process id of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def start(self) -> Self:
        """Start the process; see `wait_ready`."""
        if self._nursery is not None:
            self._process = self._nursery.start(uuid.uuid4().hex, ["operator"], self._env, self.log)
            return self
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "videovector_operator", "operator"],
                env=self._env,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )
        return self

    def wait_ready(self, seconds: float = 60.0) -> Self:
        """Wait until /readyz says ok."""
        deadline = time.monotonic() + seconds
        while not self.probe("/readyz"):
            if self.returncode is not None or time.monotonic() > deadline:
                raise AssertionError(f"the operator is not ready (exit {self.returncode}): {self.tail()}")
            time.sleep(0.1)
        return self

    def probe(self, path: str) -> bool:
        """Whether the endpoint answers 200."""
        try:
            self.fetch(path)
        except (OSError, urllib.error.HTTPError):
            return False
        return True

    def fetch(self, path: str) -> str:
        """Body of one of the process's HTTP endpoints."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def metric(self, prefix: str) -> float:
        """Sum of all samples whose name and labels start with ``prefix``."""
        lines = (line for line in self.fetch("/metrics").splitlines() if line.startswith(prefix))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def rss_mib(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_seconds(self) -> float:
        """Processor time that it has used, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it as an out-of-memory killer would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as the kubelet would; answers its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait(60)

    def tail(self, lines: int = 30) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self.start().wait_ready()

    def __exit__(self, *_: object) -> None:
        self.stop()
