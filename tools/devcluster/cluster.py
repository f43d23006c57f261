"""Start, stop, look at and break a whole cluster; the one class that tests and the commands use."""

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from . import build, cleanup, components, control_plane, node, pki, policies, processes
from .api import Api
from .components import Component
from .console import say, step
from .errors import DevClusterError
from .layout import Layout, known_clusters, layout_for, locked, remember_slot
from .tools import require, require_root


class Mode(StrEnum):
    """``api``: etcd, API server and controller manager; ``full``: also scheduler, node, Services and names."""

    API = "api"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One line of ``status``."""

    name: str
    pid: int | None
    address: str
    healthy: bool


class Cluster:
    """A named cluster; making the object starts nothing."""

    def __init__(self, name: str = "default") -> None:
        self.layout: Layout = layout_for(name)
        self.api = Api(self.layout)

    @property
    def mode(self) -> Mode | None:
        """How it was last started; None if it is down."""
        file = self.layout.root / "mode"
        return Mode(file.read_text()) if file.exists() else None

    def up(self, mode: Mode = Mode.FULL) -> bool:
        """Start what does not run; False if everything did already."""
        require_root("the development cluster")
        mode = Mode.FULL if self.mode is Mode.FULL else mode
        with locked(self._lock):
            if self.mode is mode and self.is_healthy():
                return False
            self._prepare(mode)
            begun = time.monotonic()
            self._start(mode)
            say(f"cluster {self.layout.name} ({mode}) is up after {time.monotonic() - begun:.1f} s")
        return True

    def down(self, *, purge: bool = False) -> None:
        """End everything this cluster started; with purge also remove its data."""
        with locked(self._lock):
            self._stop()
            if purge:
                cleanup.remove_tree(self.layout.root)

    def status(self) -> list[PartStatus]:
        """Look at every part that belongs to the mode it was started in."""
        return [self._status_of(part) for part in self._parts(self.mode or Mode.API)]

    def is_healthy(self) -> bool:
        """Whether every part runs and answers."""
        return all(part.healthy for part in self.status())

    def kill(self, part: str) -> None:
        """End a part without warning, for fault tests."""
        processes.kill(self._part(part).record(self.layout))

    def stop(self, part: str) -> None:
        """End one part properly."""
        component = self._part(part)
        processes.stop(component.record(self.layout), grace=component.grace)

    def start(self, part: str) -> None:
        """Start a part again and wait until it is healthy."""
        component = self._part(part)
        components.start(self.layout, component)
        components.wait_healthy(self.layout, component)

    def restart(self, part: str) -> None:
        """Stop and start one part."""
        self.stop(part)
        self.start(part)

    def parts(self) -> list[str]:
        """The names that ``kill``, ``stop``, ``start`` and ``restart`` take."""
        return [part.name for part in self._parts(self.mode or Mode.FULL)]

    @property
    def _lock(self) -> Path:
        return self.layout.root.with_suffix(".lock")

    def _prepare(self, mode: Mode) -> None:
        require("openssl")
        if mode is Mode.FULL:
            node.require_programs()
        build.ensure(*(build.CLUSTER_MODULES if mode is Mode.FULL else (build.ETCD, build.KUBERNETES, build.HELM)))
        remember_slot(self.layout)
        pki.ensure(self.layout)
        (self.layout.root / "mode").write_text(mode)
        if mode is Mode.FULL:
            node.prepare(self.layout)

    def _start(self, mode: Mode) -> None:
        layout = self.layout
        etcd, server, *clients = self._parts(mode)
        started = time.time()
        with step("API server"):
            components.start(layout, etcd)
            if components.start(layout, server):
                self._stop_clients(clients)
            if mode is Mode.FULL:
                components.start(layout, node.containerd(layout))
            components.wait_healthy(layout, etcd)
            components.wait_healthy(layout, server)
        with step("controllers and policies"):
            for part in clients:
                if part.name != "kubelet":
                    components.start(layout, part)
            policies.ensure(self.api)
        if mode is Mode.FULL:
            with step("node"):
                node.start_kubelet(layout, self.api, since=started)
        for part in self._parts(mode):
            components.wait_healthy(layout, part)

    def _stop_clients(self, clients: list[Component]) -> None:
        """What lived through an outage of the API server would retry only after up to half a minute."""
        for part in clients:
            if part.name != "containerd":
                self._end(part)

    def _stop(self) -> None:
        parts = {part.name: part for part in self._parts(Mode.FULL)}
        for name in ("netproxy", "kube-scheduler", "kube-controller-manager", "kubelet"):
            self._end(parts[name])
        cleanup.end_containers(self.layout)
        for name in ("containerd", "kube-apiserver", "etcd"):
            self._end(parts[name])
        cleanup.clean_up(self.layout)
        (self.layout.root / "mode").unlink(missing_ok=True)
        self.layout.started_by_tests.unlink(missing_ok=True)

    def _end(self, part: Component) -> None:
        if processes.stop(part.record(self.layout), grace=part.grace):
            say(f"  stopped {part.name}")

    def _parts(self, mode: Mode) -> list[Component]:
        layout = self.layout
        parts = [control_plane.etcd(layout), control_plane.api_server(layout), control_plane.controller_manager(layout)]
        if mode is Mode.FULL:
            parts += [control_plane.scheduler(layout), *node.parts(layout)]
        return parts

    def _part(self, name: str) -> Component:
        for part in self._parts(Mode.FULL):
            if part.name == name:
                return part
        raise DevClusterError(f"no part is called {name!r}; there are {', '.join(self.parts())}")

    def _status_of(self, part: Component) -> PartStatus:
        process = part.process(self.layout)
        return PartStatus(
            name=part.name,
            pid=process.pid if process else None,
            address=f"{part.host}:{part.port}" if part.port else part.host,
            healthy=process is not None and part.healthy(),
        )


def all_clusters() -> list[Cluster]:
    """Every cluster of this checkout that has a directory."""
    return [Cluster(name) for name in known_clusters()]
