"""The two commands, ``up`` and ``down``; which cluster they act on is chosen here."""

from __future__ import annotations

import argparse
import sys
import time

from tools.demo import flow, on_devcluster, on_other, site
from tools.demo.console import console
from tools.demo.errors import DemoError
from tools.demo.programs import require
from tools.devcluster.errors import DevClusterError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    options = _parse(arguments)
    begun = time.monotonic()
    try:
        _up(options.cluster, options.image) if options.command == "up" else _down()
    except (DemoError, DevClusterError) as error:
        console.print("[bold red]error:[/]", str(error), markup=True, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; the same command can simply be run again")
        return 130
    console.print(f"[dim]{options.command} took {time.monotonic() - begun:.0f} s[/]")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="install the whole system and import sample media")
    up.add_argument("--cluster", choices=("dev", "kind", "existing"), default="dev")
    up.add_argument("--image", default="", help="with --cluster existing: the image, in a registry that it pulls from")
    commands.add_parser("down", help="remove everything that up has made")
    return parser.parse_args(arguments)


def _up(cluster: str, image: str) -> None:
    require("ffmpeg")
    noted = site.remembered().get("kind")
    if noted not in {None, cluster}:
        raise DemoError(f"the demo is already up with CLUSTER={noted}: run make demo-down first")
    if cluster == "dev":
        flow.show(on_devcluster.up())
    else:
        flow.show(on_other.up_kind() if cluster == "kind" else on_other.up_existing(image))


def _down() -> None:
    noted = site.remembered()
    if noted.get("kind") in {"kind", "existing"}:
        on_other.down(noted)
    else:
        on_devcluster.down()
    site.forget()


if __name__ == "__main__":
    sys.exit(main())
