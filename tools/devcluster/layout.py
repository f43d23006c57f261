"""Where a cluster keeps its files and which loopback addresses it uses; every path and number comes from here.

Nothing may be started, written or deleted here, apart from taking a slot number for a new cluster.
"""

import fcntl
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import DevClusterError

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache"
BIN = CACHE / "bin"
CLUSTERS = CACHE / "devcluster"
NODE_NAME = "127.0.0.1"
PAUSE_IMAGE = "docker.io/local/pause:1"

_FIXED_SLOTS = {"default": 0, "api": 1}
_LAST_SLOT = 49
_LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes; containerd appends ".ttrpc"


@dataclass(frozen=True, slots=True)
class Layout:
    """One cluster's directory and addresses; the slot keeps clusters that run side by side apart."""

    name: str
    slot: int

    @property
    def root(self) -> Path:
        """All of the cluster's files but the programs."""
        return CLUSTERS / self.name

    @property
    def pki(self) -> Path:
        """Keys and certificates; only root may enter."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """One file a part, over all its runs."""
        return self.root / "logs"

    @property
    def records(self) -> Path:
        """One file a process; see ``processes.py``."""
        return self.root / "pids"

    @property
    def config(self) -> Path:
        """The node's generated configuration."""
        return self.root / "config"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.root / "kubeconfig"

    @property
    def started_by_tests(self) -> Path:
        """Exists while no person has asked for this cluster, so that the last test session stops it."""
        return self.root / "started-by-tests"

    @property
    def kubelet_root(self) -> Path:
        """The kubelet's own directory, with the pods' volumes."""
        return self.root / "kubelet"

    @property
    def containerd_socket(self) -> Path:
        """Also names the owner of a shim, on the shim's command line."""
        return self.root / "run" / "containerd.sock"

    @property
    def cgroup(self) -> str:
        """The root of every pod's cgroup, of this cluster alone."""
        return f"/videovector-{self.name}"

    @property
    def service_range(self) -> str:
        """Where Services get their addresses."""
        return f"127.{100 + self.slot}.0.0/16"

    @property
    def server_ip(self) -> str:
        """The first service address: the API server binds it itself, so pods reach it without a proxy."""
        return f"127.{100 + self.slot}.0.1"

    @property
    def dns_ip(self) -> str:
        """Pods' only name server."""
        return f"127.{100 + self.slot}.0.10"

    @property
    def internal_ip(self) -> str:
        """For etcd, the managers and the kubelet's own ports: outside every service range."""
        return f"127.{150 + self.slot}.0.1"

    @property
    def server(self) -> str:
        """The API server's URL, for pods and for people."""
        return f"https://{self.server_ip}:443"

    @property
    def kubelet_port(self) -> int:
        """The node's address is 127.0.0.1 in every cluster, so this port has to differ."""
        return 10250 + 10 * self.slot


def layout_for(name: str) -> Layout:
    """Check the name and find its slot."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", name):
        raise DevClusterError(f"{name!r} is no cluster name: at most 20 of a-z, 0-9 and '-'")
    layout = Layout(name, _slot(name))
    if len(str(layout.containerd_socket)) > _LONGEST_SOCKET_PATH:
        raise DevClusterError(
            f"{layout.containerd_socket} is too long for a Unix socket: use a shorter checkout path or cluster name"
        )
    return layout


def known_clusters() -> list[str]:
    """The names that have a slot on disk."""
    return sorted(path.parent.name for path in CLUSTERS.glob("*/slot"))


def _slot(name: str) -> int:
    if name in _FIXED_SLOTS:
        return _FIXED_SLOTS[name]
    with locked(CLUSTERS / "slots.lock"):
        own = CLUSTERS / name / "slot"
        if own.exists():
            return int(own.read_text())
        taken = {int((CLUSTERS / other / "slot").read_text()) for other in known_clusters()}
        for slot in range(len(_FIXED_SLOTS), _LAST_SLOT + 1):
            if slot not in taken and not _is_used_elsewhere(Layout(name, slot)):
                return slot
        raise DevClusterError("every address range is taken: run `python -m tools.devcluster down --all --purge`")


def _is_used_elsewhere(layout: Layout) -> bool:
    """Whether another checkout's cluster listens there: its slots are not written in our files."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((layout.internal_ip, 2379)) == 0


def remember_slot(layout: Layout) -> None:
    """Take the slot for good; it is free again after a purge."""
    with locked(CLUSTERS / "slots.lock"):
        layout.root.mkdir(parents=True, exist_ok=True)
        (layout.root / "slot").write_text(str(layout.slot))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that the kernel drops when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
