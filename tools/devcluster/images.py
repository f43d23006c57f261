"""Bring images into a cluster's containerd, and make the pause image; building images is in ``imagebuild.py``."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
import tempfile
from pathlib import Path

from .build import program
from .console import step
from .errors import DevClusterError
from .layout import PAUSE_IMAGE, Layout
from .tools import path_of

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def load_archive(layout: Layout, archive: Path) -> None:
    """Import a docker or OCI archive; a running pod keeps the image it was started with."""
    with step(f"loading {archive.name}"):
        done = subprocess.run(
            [*_ctr(layout), "images", "import", str(archive)], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise DevClusterError(f"loading {archive} failed: {done.stderr or done.stdout}")


def names(layout: Layout) -> set[str]:
    """The images that the node has."""
    done = subprocess.run([*_ctr(layout), "images", "ls", "-q"], capture_output=True, text=True, check=False)
    return set(done.stdout.split())


def load_pause(layout: Layout) -> None:
    """Bring the sandbox image in, once."""
    if PAUSE_IMAGE in names(layout):
        return
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory) / "pause.tar"
        _write_pause_archive(archive)
        load_archive(layout, archive)


def _ctr(layout: Layout) -> list[str]:
    return [path_of("ctr"), "--address", str(layout.containerd_socket), "--namespace", "k8s.io"]


def _write_pause_archive(archive: Path) -> None:
    """A docker archive by hand: one layer with one static program."""
    layer = _tar({"pause": Path(program("pause")).read_bytes()}, mode=0o755)
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]).encode()
    archive.write_bytes(_tar({"layer.tar": layer, "config.json": config, "manifest.json": manifest}, mode=0o644))


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
