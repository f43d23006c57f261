"""Build images without a container engine: a Debian base by debootstrap, everything else by buildah.

Where pip fetches packages from is this machine's own business: it reaches a build only as secrets that last for one
RUN, made from pip's configuration at build time. It must never enter a layer, the repository or an argument of the
Dockerfile. The Dockerfile's side of it is in README.md.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import cleanup, images, pipconf
from .cluster import Cluster, Mode
from .console import step
from .errors import DevClusterError
from .layout import CACHE, locked
from .longrun import run_long
from .tools import path_of, require, require_root, search_path

BASE_IMAGE = "localhost/videovector-base:bookworm"
_IMAGES = CACHE / "images"
_STORAGE = CACHE / "buildah"
_SUITE = "bookworm"
_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
# Package lists and documentation are dead weight; the others hold this machine's names and mirrors.
_TRIM = (
    *("var/lib/apt/lists", "var/cache/apt", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log"),
    *("etc/apt/sources.list", "etc/hostname", "etc/resolv.conf"),
)
_LEFT_OUT = ("./dev/*", "./proc/*", "./sys/*", "./run/*", "./tmp/*")


def ensure_base_image() -> None:
    """Both halves are kept: the tar by its inputs, the imported image by the tar."""
    require_root("building images")
    require("buildah", "debootstrap", "tar")
    with locked(_IMAGES / "build.lock"):
        archive = _IMAGES / f"base-{_base_digest()}.tar"
        if not archive.exists():
            _bootstrap(archive)
        imported = _STORAGE / f"imported-{archive.stem}"
        if not imported.exists() or not _has_image(BASE_IMAGE):
            _import_base(archive)
            imported.touch()


def build_image(tag: str, *, file: Path, context: Path) -> None:
    """Build with the base image, layers cached; the network is the machine's own."""
    if not file.exists():
        raise DevClusterError(f"there is no {file}")
    ensure_base_image()
    with locked(_IMAGES / "build.lock"), tempfile.TemporaryDirectory() as temporary, step(f"building {tag}"):
        build = [*_buildah(), "bud", "--isolation", "chroot", "--layers", "--network", "host", "--pull-never"]
        build += [*_policy(), "--build-arg", f"BASE_IMAGE={BASE_IMAGE}", *pipconf.build_options(Path(temporary))]
        _run([*build, "--tag", tag, "--file", str(file), str(context)])


def load(cluster: Cluster, image: str) -> None:
    """Load an archive, or an image of the project's own buildah storage, into a running full cluster."""
    if cluster.mode is not Mode.FULL:
        raise DevClusterError(f"cluster {cluster.layout.name} has no node: run `python -m tools.devcluster up`")
    if Path(image).is_file():
        images.load_archive(cluster.layout, Path(image))
        return
    require("buildah")
    if not _has_image(image):
        raise DevClusterError(f"{image} is neither a file nor an image made by build-image")
    with tempfile.TemporaryDirectory(dir=_IMAGES) as temporary:
        archive = Path(temporary) / "image.tar"
        with step(f"exporting {image}"):
            _run([*_buildah(), "push", "--quiet", *_policy(), image, f"docker-archive:{archive}:{image}"])
        images.load_archive(cluster.layout, archive)


def unmount_storage() -> None:
    """Undo the mount of its storage on itself that buildah leaves."""
    with locked(_IMAGES / "build.lock"):
        cleanup.unmount_under(_STORAGE)


def _base_digest() -> str:
    return hashlib.sha256(repr((_SUITE, _PACKAGES, _TRIM, _LEFT_OUT)).encode()).hexdigest()[:12]


def _bootstrap(archive: Path) -> None:
    root = _IMAGES / "bootstrap"
    cleanup.unmount_under(root)
    cleanup.remove_tree(root)
    command = [path_of("debootstrap"), "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root), *_mirror()]
    try:
        run_long("bootstrapping Debian", command, env={"PATH": search_path()})
        for name in _TRIM:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        unfinished = archive.with_suffix(".unfinished")
        excluded = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
        with step("packing the base"):
            _run(["tar", "--numeric-owner", "-C", str(root), *excluded, "-cf", str(unfinished), "."])
        unfinished.replace(archive)
    finally:
        cleanup.unmount_under(root)
        cleanup.remove_tree(root)


def _mirror() -> list[str]:
    """The mirror that this machine's apt uses; debootstrap's own default if apt names none."""
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {_SUITE}", "Component: main"]
    found = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return found[:1]


def _import_base(archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_IMAGES) as context, step(f"importing {BASE_IMAGE}"):
        os.link(archive, Path(context) / "base.tar")
        lines = ("FROM scratch", "ADD base.tar /", "ENV LANG=C.UTF-8", 'CMD ["python3"]', "")
        (Path(context) / "Containerfile").write_text("\n".join(lines))
        build = [*_buildah(), "bud", "--isolation", "chroot", "--quiet", *_policy()]
        _run([*build, "--tag", BASE_IMAGE, "--file", f"{context}/Containerfile", context])


def _has_image(tag: str) -> bool:
    return (
        subprocess.run([*_buildah(), "inspect", "--type", "image", tag], capture_output=True, check=False).returncode
        == 0
    )


def _buildah() -> list[str]:
    storage = ("--root", str(_STORAGE / "root"), "--runroot", str(_STORAGE / "run"), "--storage-driver", "overlay")
    return [path_of("buildah"), *storage]


def _policy() -> list[str]:
    """Only our own images are read; without a policy file buildah refuses even those."""
    file = _STORAGE / "policy.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
    return ["--signature-policy", str(file)]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env={**os.environ, "PATH": search_path()}, stdout=2, check=False)
    if done.returncode != 0:
        raise DevClusterError(f"failed: {' '.join(command[:1] + [part for part in command if part in _VERBS])}")


_VERBS = frozenset({"bud", "push", "-cf"})
