"""The operator's image, built from the project's Dockerfile; its tag is a function of what goes into it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.demo.errors import DemoError
from tools.devcluster import imagebuild, images
from tools.devcluster.cluster import Cluster
from tools.devcluster.layout import REPOSITORY

REPOSITORY_NAME = "docker.io/local/videovector-operator"
DOCKERFILE = REPOSITORY / "Dockerfile"


def name_image() -> str:
    """Repository and tag for the sources as they are now."""
    state = hashlib.sha256()
    for path in _inputs():
        state.update(f"{path.relative_to(REPOSITORY)}\n".encode() + path.read_bytes())
    return f"{REPOSITORY_NAME}:{state.hexdigest()[:12]}"


def _inputs() -> Iterator[Path]:
    yield DOCKERFILE
    yield REPOSITORY / ".dockerignore"
    yield REPOSITORY / "requirements" / "runtime.txt"
    package = REPOSITORY / "operator" / "videovector_operator"
    yield from sorted(path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def ensure_on_node(cluster: Cluster) -> str:
    """Build and load what the development cluster's node does not have yet; answers the image's name."""
    image = name_image()
    if image not in images.names(cluster.layout):
        imagebuild.build_image(image, file=DOCKERFILE, context=REPOSITORY)
        imagebuild.load(cluster, image)
    return image


def build_with_docker() -> str:
    """Build with a Docker engine, whose own cache makes a second build quick; answers the image's name."""
    image = name_image()
    command = ["docker", "build", "--tag", image, "--file", str(DOCKERFILE), str(REPOSITORY)]
    if subprocess.run(command, check=False).returncode != 0:
        raise DemoError(f"docker build failed; try it alone: {' '.join(command)}")
    return image
