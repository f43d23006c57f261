"""What a part of the cluster is, and how one is started, awaited, ended and looked at.

Which parts exist and with which flags belongs in ``control_plane.py`` and ``node.py``.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import processes
from .errors import DevClusterError
from .layout import Layout

_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Component:
    """One long-running program of a cluster."""

    name: str
    argv: tuple[str, ...]
    host: str
    port: int
    healthy: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    grace: float = 10.0

    def record(self, layout: Layout) -> Path:
        """The file that names its process."""
        return layout.records / self.name

    def log(self, layout: Layout) -> Path:
        """Its output, over all its runs."""
        return layout.logs / f"{self.name}.log"

    def process(self, layout: Layout) -> processes.Process | None:
        """Its process, if it lives."""
        return processes.recorded(self.record(layout))


def start(layout: Layout, component: Component) -> bool:
    """Start unless it runs already; False if it did."""
    if component.process(layout) is not None:
        return False
    _refuse_foreign_listener(component)
    processes.spawn(component.argv, record=component.record(layout), log=component.log(layout), env=component.env)
    return True


def wait_healthy(layout: Layout, component: Component, *, seconds: float = 180.0) -> None:
    """Wait until it answers; if it ends or takes too long, say what its log says."""
    deadline = time.monotonic() + seconds
    while not component.healthy():
        if component.process(layout) is None:
            raise DevClusterError(f"{component.name} ended; its log says:\n{processes.tail(component.log(layout))}")
        if time.monotonic() > deadline:
            log = processes.tail(component.log(layout))
            raise DevClusterError(f"{component.name} is not healthy after {seconds:.0f} s; its log says:\n{log}")
        time.sleep(0.05)


def _refuse_foreign_listener(component: Component) -> None:
    """A port that is taken belongs to something this cluster did not start: leave it alone and say so."""
    if component.port and accepts(component.host, component.port):
        raise DevClusterError(
            f"{component.host}:{component.port} ({component.name}) is taken by a process that this cluster did not start"
        )


def accepts(host: str, port: int) -> bool:
    """Whether anything listens there."""
    try:
        with socket.create_connection((host, port), timeout=_PROBE_SECONDS):
            return True
    except OSError:
        return False


def answers_ok(host: str, port: int, path: str, *, tls: bool) -> bool:
    """A health path says 200; these ports use throw-away certificates, so nothing is verified."""
    connection = (
        http.client.HTTPSConnection(host, port, timeout=_PROBE_SECONDS, context=_unverified())
        if tls
        else http.client.HTTPConnection(host, port, timeout=_PROBE_SECONDS)
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
