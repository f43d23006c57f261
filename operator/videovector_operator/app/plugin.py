"""Wires the kubectl plugin: `kubectl-videovector`, and `kubectl_complete-videovector` for kubectl's own completion."""

from __future__ import annotations

import signal
import sys
import time
import uuid
from functools import partial
from types import FrameType
from typing import NoReturn

from videovector_operator.cli.completion import complete_for_kubectl
from videovector_operator.cli.ports import Clock, Ports
from videovector_operator.cli.program import PROGRAM, program
from videovector_operator.cli.session import open_kubectl_session
from videovector_operator.cli.streams import run_to_the_end

_CLOCK = Clock(time.monotonic, time.sleep)


def main() -> None:
    """Entry point of the plugin."""
    run_plugin(_build_ports())


def run_plugin(ports: Ports) -> None:
    """Run the command line with these ports."""
    # What was started for the command must end with it, also when a terminal is closed. What is ignored stays ignored: nohup.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    run_to_the_end(lambda: program(prog_name=PROGRAM, obj=ports))


def complete() -> None:
    """Entry point of the completion that kubectl calls."""
    run_to_the_end(lambda: complete_for_kubectl(sys.argv[1:], main))


def _build_ports() -> Ports:
    return Ports(
        open_session=partial(open_kubectl_session, clock=_CLOCK),
        clock=_CLOCK,
        utc_now=time.time,
        new_token=lambda: f"kubectl-videovector-{uuid.uuid4()}",
    )


def _leave(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
