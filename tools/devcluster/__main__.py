"""The commands; every one of them is a thin call into ``cluster.py``, ``images.py`` or ``imagebuild.py``."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import build, imagebuild
from .cluster import Cluster, Mode, all_clusters
from .console import say
from .errors import DevClusterError
from .layout import BIN

_HEALTHY, _UNHEALTHY = 0, 1


def main(arguments: list[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except DevClusterError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command can simply be run again")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.devcluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        sub.add_argument("--name", default="default", help="the cluster (default: default)")
        return sub

    up = add("up", _up, "build what is missing and start the cluster")
    up.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.FULL)
    down = add("down", _down, "stop the cluster")
    down.add_argument("--all", action="store_true", help="every cluster of this checkout")
    down.add_argument("--purge", action="store_true", help="also remove its data")
    add("status", _status, "show the parts; exit code 0 if all are healthy")
    add("kubeconfig", _kubeconfig, "print the path of the administrator's kubeconfig")
    add("env", _env, "print export lines for a shell")
    add("build", _build, "only build the programs")
    restart = add("restart", _restart, "restart one part")
    restart.add_argument("part")
    load = add("load-image", _load_image, "bring an archive or an image built here into the cluster")
    load.add_argument("image", help="path of a docker or OCI archive, or a tag made by build-image")
    add("build-base-image", _build_base_image, f"make {imagebuild.BASE_IMAGE}")
    image = add("build-image", _build_image, "build an image and load it if the cluster is up")
    image.add_argument("--tag", default="docker.io/local/videovector-operator:dev")
    image.add_argument("--file", type=Path, default=Path("Dockerfile"))
    image.add_argument("--context", type=Path, default=Path())
    return parser


def _up(options: argparse.Namespace) -> int:
    cluster = Cluster(options.name)
    begun = time.monotonic()
    if not cluster.up(options.mode):
        say(f"cluster {options.name} already runs ({time.monotonic() - begun:.1f} s)")
    cluster.layout.started_by_tests.unlink(missing_ok=True)
    print(cluster.layout.kubeconfig)
    return _HEALTHY


def _down(options: argparse.Namespace) -> int:
    for cluster in all_clusters() if options.all else [Cluster(options.name)]:
        begun = time.monotonic()
        cluster.down(purge=options.purge)
        say(f"cluster {cluster.layout.name} is down after {time.monotonic() - begun:.1f} s")
    if options.all:
        imagebuild.unmount_storage()
    return _HEALTHY


def _status(options: argparse.Namespace) -> int:
    cluster = Cluster(options.name)
    if cluster.mode is None:
        print(f"cluster {options.name} is down")
    parts = cluster.status()
    for part in parts:
        health = "healthy" if part.healthy else "NOT HEALTHY" if part.pid else "stopped"
        print(f"{part.name:<25}{part.pid or '-':<10}{health:<13}{part.address}")
    return _HEALTHY if cluster.mode and all(part.healthy for part in parts) else _UNHEALTHY


def _kubeconfig(options: argparse.Namespace) -> int:
    print(Cluster(options.name).layout.kubeconfig)
    return _HEALTHY


def _env(options: argparse.Namespace) -> int:
    print(f'export KUBECONFIG="{Cluster(options.name).layout.kubeconfig}"')
    if str(BIN) not in os.environ.get("PATH", "").split(":"):
        print(f'export PATH="{BIN}:$PATH"')
    return _HEALTHY


def _build(_: argparse.Namespace) -> int:
    build.ensure(*build.CLUSTER_MODULES)
    return _HEALTHY


def _restart(options: argparse.Namespace) -> int:
    Cluster(options.name).restart(options.part)
    return _HEALTHY


def _load_image(options: argparse.Namespace) -> int:
    imagebuild.load(Cluster(options.name), options.image)
    return _HEALTHY


def _build_base_image(_: argparse.Namespace) -> int:
    imagebuild.ensure_base_image()
    return _HEALTHY


def _build_image(options: argparse.Namespace) -> int:
    imagebuild.build_image(options.tag, file=options.file, context=options.context)
    cluster = Cluster(options.name)
    if cluster.mode is Mode.FULL:
        imagebuild.load(cluster, options.tag)
    return _HEALTHY


if __name__ == "__main__":
    sys.exit(main())
