"""Find the programs that Debian brings, and name the command that installs a missing one."""

import os
import shutil
from pathlib import Path

from .errors import DevClusterError

CNI_PLUGINS = Path("/usr/lib/cni")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = {
    "buildah": "buildah",
    "containerd": "containerd",
    "ctr": "containerd",
    "debootstrap": "debootstrap",
    "openssl": "openssl",
    "runc": "runc",
    "umount": "util-linux",
}


def search_path() -> str:
    """PATH with the system directories: runc and debootstrap live in /usr/sbin, which PATH may lack."""
    return f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"


def require(*names: str) -> None:
    missing = [name for name in names if shutil.which(name, path=search_path()) is None]
    if "go" in missing:
        raise DevClusterError("Go 1.26 or newer is needed on PATH (https://go.dev/doc/install)")
    if missing:
        packages = sorted({_PACKAGES.get(name, name) for name in missing})
        raise DevClusterError(f"missing: {', '.join(missing)}; install with\n  {_install(packages)}")


def require_cni() -> None:
    if not (CNI_PLUGINS / "loopback").exists():
        raise DevClusterError(
            f"missing: {CNI_PLUGINS}/loopback; install with\n  {_install(['containernetworking-plugins'])}"
        )


def require_root(purpose: str) -> None:
    if os.geteuid() != 0:
        raise DevClusterError(f"{purpose} needs root")


def path_of(name: str) -> str:
    require(name)
    return shutil.which(name, path=search_path()) or name


def _install(packages: list[str]) -> str:
    return f"apt-get install -y --no-install-recommends {' '.join(packages)}"
