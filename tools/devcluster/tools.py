"""Find the programs that Debian brings, and name the command that installs a missing one."""

import os
import shutil
from pathlib import Path

from .errors import DevClusterError

CNI_PLUGINS = Path("/usr/lib/cni")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# One command for everything, so that nobody installs in three rounds.
_INSTALL = (
    "apt-get install -y --no-install-recommends"
    " containerd runc containernetworking-plugins buildah debootstrap openssl util-linux"
)


def search_path() -> str:
    """PATH with the system directories: runc and debootstrap live in /usr/sbin, which PATH may lack."""
    return f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"


def require(*names: str) -> None:
    """Raise with the installing command if a program is missing."""
    missing = [name for name in names if shutil.which(name, path=search_path()) is None]
    if "go" in missing:
        raise DevClusterError("Go 1.26 or newer is needed on PATH (https://go.dev/doc/install)")
    if missing:
        raise DevClusterError(f"missing: {', '.join(missing)}; install with\n  {_INSTALL}")


def require_cni() -> None:
    """Do the same for the network plugins, which are not on PATH."""
    if not (CNI_PLUGINS / "loopback").exists():
        raise DevClusterError(f"missing: {CNI_PLUGINS}/loopback; install with\n  {_INSTALL}")


def require_root(purpose: str) -> None:
    """Say what root is for instead of failing half-way."""
    if os.geteuid() != 0:
        raise DevClusterError(f"{purpose} needs root")


def path_of(name: str) -> str:
    """The program's full path; a missing one is reported by ``require`` before it is needed."""
    return shutil.which(name, path=search_path()) or name
