"""``python -m tools.testservers build``: build and install what tests without a cluster need, once for every state of the pins.

That is the test servers' programs, and helm, which renders the chart. Whoever needs one does the same when it is missing; here it
costs no test its time.
"""

import argparse
import sys

from tools.devcluster import build
from tools.devcluster.console import say
from tools.devcluster.errors import DevClusterError

from . import azurite, fakegcs, versitygw


def main(arguments: list[str] | None = None) -> int:
    """Run the command; answers its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.testservers", description=__doc__)
    parser.add_argument("command", choices=["build"])
    parser.parse_args(arguments)
    try:
        build.ensure(versitygw.MODULE, fakegcs.MODULE, build.HELM)
        azurite.ensure_installed()
    except DevClusterError as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
