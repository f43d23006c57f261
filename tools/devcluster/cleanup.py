"""End a node's containers and undo its mounts; whatever is ended or removed here lies in the cluster's own directory,
runs under the cluster's own containerd socket or sits in the cluster's own cgroup.
"""

import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import hostfiles, processes
from .console import say
from .errors import DevClusterError
from .layout import Layout
from .processes import Process
from .tools import path_of

_TERM_SECONDS = 2.0
_KILL_SECONDS = 5.0
_SHIM = "containerd-shim-runc-v2"


def end_containers(layout: Layout) -> None:
    """TERM, a moment's grace, KILL; then let containerd forget the tasks, while it still runs."""
    running = _container_processes(layout)
    if running:
        say(f"  stopping {len(running)} container processes")
    _signal_and_wait(running, signal.SIGTERM, _TERM_SECONDS)
    _signal_and_wait(_container_processes(layout), signal.SIGKILL, _KILL_SECONDS)
    if processes.recorded(layout.records / "containerd") is not None:
        _delete_tasks(layout)


def end_shims(layout: Layout) -> None:
    """A shim outlives a containerd that was killed; its command line names our socket."""
    shims = processes.find(_SHIM, str(layout.containerd_socket))
    _signal_and_wait(shims, signal.SIGTERM, _TERM_SECONDS)
    _signal_and_wait([shim for shim in shims if shim.alive()], signal.SIGKILL, _KILL_SECONDS)


def unmount_under(directory: Path) -> None:
    """Deepest first, and again until nothing is left, since mounts may lie on top of each other."""
    for _ in range(5):
        mounts = mounts_under(directory)
        if not mounts:
            return
        for mount in reversed(mounts):
            subprocess.run([path_of("umount"), mount], capture_output=True, check=False)
    for mount in reversed(mounts_under(directory)):
        subprocess.run([path_of("umount"), "--lazy", mount], capture_output=True, check=False)


def mounts_under(directory: Path) -> list[str]:
    """Every mount point at or below a directory, parents first."""
    prefix = f"{directory}/"
    points = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted(point.encode().decode("unicode_escape") for point in points if f"{point}/".startswith(prefix))


def remove_tree(directory: Path) -> None:
    """Remove a directory, unless a mount would take somebody's files with it."""
    if mounts_under(directory):
        raise DevClusterError(f"something is still mounted under {directory}: not removing it")
    shutil.rmtree(directory, ignore_errors=True)


def clean_up(layout: Layout) -> None:
    """After every recorded process ended: shims, mounts, cgroups, files outside the cluster's directory."""
    end_shims(layout)
    unmount_under(layout.root)
    hostfiles.remove_cgroups(layout)
    shutil.rmtree(layout.root / "run", ignore_errors=True)
    hostfiles.restore(layout)


def _container_processes(layout: Layout) -> list[Process]:
    """Pod processes except the sandboxes' own, which end last with their task."""
    found = (processes.identify(pid) for pid in hostfiles.pids_in_cgroups(layout))
    return [process for process in found if process is not None]


def _signal_and_wait(targets: list[Process], number: signal.Signals, seconds: float) -> None:
    for target in targets:
        target.signal(number)
    deadline = time.monotonic() + seconds
    for target in targets:
        target.wait_gone(max(0.0, deadline - time.monotonic()))


def _delete_tasks(layout: Layout) -> None:
    ctr = [path_of("ctr"), "--address", str(layout.containerd_socket), "--namespace", "k8s.io"]
    try:
        listed = subprocess.run([*ctr, "tasks", "ls", "-q"], capture_output=True, text=True, timeout=20, check=False)
        tasks = listed.stdout.split()
        if tasks:
            subprocess.run([*ctr, "tasks", "rm", "--force", *tasks], capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        say("  containerd does not answer: its shims are ended directly")
