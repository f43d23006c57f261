"""Build the pinned Go programs into .cache/bin, once for every state of the pins.

Each Go module has its own directory, .cache/bin/<module>-<digest of its files>/; .cache/bin/<program> links to the
newest build. Go's own build and module caches are used as they are.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .layout import BIN, REPOSITORY, locked
from .longrun import run_long
from .tools import require

KUBERNETES_VERSION = "v1.34.4"
_VERSION_PACKAGE = "k8s.io/component-base/version"
_VERSION_FLAGS = (
    f" -X {_VERSION_PACKAGE}.gitVersion={KUBERNETES_VERSION}"
    f" -X {_VERSION_PACKAGE}.gitMajor=1 -X {_VERSION_PACKAGE}.gitMinor=34"
)


@dataclass(frozen=True, slots=True)
class GoModule:
    """One directory with a go.mod, and the programs that are built from it."""

    name: str
    directory: Path
    programs: dict[str, str]
    link_flags: str = ""

    def digest(self) -> str:
        """Changes whenever a pin, a source file of ours or a build flag changes."""
        state = hashlib.sha256(f"{self.programs} {self.link_flags}".encode())
        for path in sorted(self.directory.rglob("*")):
            if path.name in {"go.mod", "go.sum"} or path.suffix == ".go":
                state.update(f"{path.relative_to(self.directory)}\n".encode() + path.read_bytes())
        return state.hexdigest()[:12]


_HERE = REPOSITORY / "tools" / "devcluster"
ETCD = GoModule("etcd", _HERE / "etcd", {"etcd": "go.etcd.io/etcd/server/v3"})
KUBERNETES = GoModule(
    "kubernetes",
    _HERE / "kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kubectl", "kube-scheduler", "kubelet")
    },
    _VERSION_FLAGS,
)
NETPROXY = GoModule("netproxy", _HERE / "netproxy", {"netproxy": ".", "pause": "./pause"})
HELM = GoModule("helm", _HERE / "helm", {"helm": "helm.sh/helm/v3/cmd/helm"})
CLUSTER_MODULES = (ETCD, KUBERNETES, NETPROXY, HELM)


def program(name: str) -> str:
    """The stable path of a built program."""
    return str(BIN / name)


def ensure(*modules: GoModule) -> None:
    """Build what is missing. A second call with the same pins only reads a few small files."""
    wanted = [module for module in modules if not _is_current(module)]
    if not wanted:
        return
    require("go")
    with locked(BIN / "build.lock"):
        for module in wanted:
            _build_module(module)


def _is_current(module: GoModule) -> bool:
    home = _home(module)
    return (home / "stamp").exists() and all(
        (BIN / name).is_symlink() and (BIN / name).readlink() == Path(home.name) / name for name in module.programs
    )


def _home(module: GoModule) -> Path:
    return BIN / f"{module.name}-{module.digest()}"


def _build_module(module: GoModule) -> None:
    home = _home(module)
    home.mkdir(parents=True, exist_ok=True)
    for name, package in module.programs.items():
        if not (home / name).exists():
            _build_program(module, package, home / name)
        link = BIN / f".{name}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(Path(home.name) / name)
        link.replace(BIN / name)
    (home / "stamp").touch()


def _build_program(module: GoModule, package: str, target: Path) -> None:
    unfinished = target.with_name(f".{target.name}.unfinished")
    flags = ("-v", "-trimpath", "-ldflags", f"-s -w{module.link_flags}")
    run_long(
        f"building {target.name}",
        ["go", "build", *flags, "-o", str(unfinished), package],
        cwd=module.directory,
        env={"CGO_ENABLED": "0"},
        progress=_count_packages,
    )
    unfinished.replace(target)


def _count_packages(output: bytes) -> str:
    """`go build -v` prints a line for every package it compiles."""
    packages = output.count(b"\n")
    return f"{packages} packages compiled"
