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

_CLOCK = Clock(time.monotonic, time.sleep)


def main() -> None:
    """Entry point of the plugin."""
    # What was started for the command must end with it, also when a terminal is closed.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    program(prog_name=PROGRAM, obj=_build_ports())


def complete() -> None:
    """Entry point of the completion that kubectl calls."""
    complete_for_kubectl(sys.argv[1:], main)


def _build_ports() -> Ports:
    return Ports(
        open_session=partial(open_kubectl_session, clock=_CLOCK),
        clock=_CLOCK,
        utc_now=time.time,
        new_token=lambda: f"kubectl-videovector-{uuid.uuid4()}",
    )


def _leave(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
