"""Everything the node touches on the machine outside the cluster's own directory, and how it is put back.

The kubelet and containerd have a few fixed paths and kernel settings that no flag moves. What was there before is
remembered at the first start, so that the end can tell our leftovers from somebody else's files.
"""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

from .console import say
from .layout import CLUSTERS, Layout, locked

_CGROUPS = Path("/sys/fs/cgroup")
_FIXED_DIRECTORIES = (
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/run/containerd",
    "/opt/containerd",
    "/opt/cni",
    "/etc/containerd",
    "/etc/cni",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/run/netns",
    "/run/runc",
)
_KERNEL_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_CGROUP_SECONDS = 5.0
_NOTE = "machine-before.json"


def remember(layout: Layout) -> None:
    """Note the machine's state before the first node starts; a node beside a running one takes over its note."""
    note = _note(layout)
    if note.exists():
        return
    with locked(CLUSTERS / "host.lock"):
        others = _notes()
        before = others[0].read_text() if others else json.dumps(_machine(), indent=2)
        unfinished = note.with_suffix(".new")
        unfinished.write_text(before)
        unfinished.replace(note)


def restore(layout: Layout) -> None:
    """Put the machine back with the last node that ends."""
    note = _note(layout)
    if not note.exists():
        return
    with locked(CLUSTERS / "host.lock"):
        if _notes() == [note]:
            before = json.loads(note.read_text())
            _put_back(before["absent"], before["settings"])
        note.unlink()


def make_cgroups(layout: Layout) -> None:
    """The kubelet wants its root to exist in every hierarchy; a fresh cpuset takes no process until it is filled."""
    for hierarchy in _hierarchies():
        group = hierarchy / layout.cgroup.lstrip("/")
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (group / name).exists() and not (hierarchy / "cgroup.controllers").exists():
                (group / name).write_text((hierarchy / name).read_text())


def pids_in_cgroups(layout: Layout) -> set[int]:
    """Every process that some container of this cluster holds."""
    pids: set[int] = set()
    for group in _own_groups(layout):
        with contextlib.suppress(OSError):
            pids.update(int(line) for line in (group / "cgroup.procs").read_text().split())
    return pids


def remove_cgroups(layout: Layout) -> None:
    """Deepest first; a group stays busy for a moment after its last process ended."""
    deadline = time.monotonic() + _CGROUP_SECONDS
    while groups := _own_groups(layout):
        for group in reversed(groups):
            with contextlib.suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            say(f"  cgroups left over: {', '.join(str(group) for group in groups)}")
            return
        time.sleep(0.02)


def _own_groups(layout: Layout) -> list[Path]:
    """Parents before children. Groups go away while they are listed: walking passes over these."""
    groups: list[Path] = []
    for hierarchy in _hierarchies():
        top = hierarchy / layout.cgroup.lstrip("/")
        groups += sorted(Path(directory) for directory, _, _ in os.walk(top))
    return groups


def _hierarchies() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [path for path in _CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]


def _note(layout: Layout) -> Path:
    return layout.root / _NOTE


def _notes() -> list[Path]:
    return sorted(CLUSTERS.glob(f"*/{_NOTE}"))


def _machine() -> dict[str, object]:
    return {
        "absent": [path for path in _FIXED_DIRECTORIES if not Path(path).exists()],
        "settings": {name: (Path("/proc/sys") / name).read_text().strip() for name in _KERNEL_SETTINGS},
    }


def _put_back(absent: list[str], settings: dict[str, str]) -> None:
    if runtimes := _foreign_runtimes():
        say(f"  {', '.join(sorted(runtimes))} runs here now: leaving {', '.join(absent)} alone")
        return
    for path in absent:
        shutil.rmtree(path, ignore_errors=True)
    for name, value in settings.items():
        file = Path("/proc/sys") / name
        if file.read_text().strip() != value:
            with contextlib.suppress(OSError):
                file.write_text(value)


def _foreign_runtimes() -> set[str]:
    """Ours have ended by now, so the directories belong to whatever still runs."""
    names = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, state = entry.read_text().partition("(")[2].rpartition(")")
            if state.split()[0] not in "ZX":
                names.add(name)
    return names & {"containerd", "dockerd", "kubelet", "crio"}
