"""Completion in the shell: names of objects from the cluster, and the format that kubectl wants from a plugin.

A key that is pressed for help must not fail: whatever goes wrong, nothing is offered.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence

import typer

from videovector_operator.cli.failures import CommandError
from videovector_operator.cli.ports import Ports, Target

_VARIABLE = "_KUBECTL_VIDEOVECTOR_COMPLETE"
_NO_FILES = ":4"
"""Cobra's directive ShellCompDirectiveNoFileComp."""
_MOST = 500


def complete_connectors(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Names of Connectors."""
    return _names(ctx, "Connector", incomplete)


def complete_import_jobs(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Names of ImportJobs."""
    return _names(ctx, "ImportJob", incomplete)


def _names(ctx: typer.Context, kind: str, incomplete: str) -> Iterator[str]:
    ports = ctx.obj
    if not isinstance(ports, Ports):
        return
    wanted = Target(*(ctx.params.get(name) for name in ("namespace", "context", "kubeconfig")))
    try:
        with ports.open_session(wanted.over(_before_the_command(ctx)).over(ports.target)) as session:
            found = session.kubernetes.list(kind, session.namespace)
    except (CommandError, OSError):
        return
    names = sorted(body["metadata"]["name"] for body in found)
    yield from [name for name in names if name.startswith(incomplete)][:_MOST]


def _before_the_command(ctx: typer.Context) -> Target:
    """Options before the command's name: completion reads them without running what handles them."""
    params = ctx.parent.params if ctx.parent is not None else {}
    return Target(*(params.get(name) for name in ("namespace", "context", "kubeconfig")))


def complete_for_kubectl(arguments: Sequence[str], run: Callable[[], None]) -> None:
    """Print what kubectl wants from ``kubectl_complete-videovector``: a candidate a line, then a directive.

    ``run`` runs the program, which answers by the protocol of the shell fish: a candidate, a tab, its description.
    """
    question = {
        _VARIABLE: "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": shlex.join(["kubectl-videovector", *arguments]),
    }
    answer = io.StringIO()
    os.environ.update(question)
    try:
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(answer):
            run()
    finally:
        for name in question:
            del os.environ[name]
    lines = [line for line in answer.getvalue().splitlines() if line]
    sys.stdout.write("\n".join([*lines, _NO_FILES]) + "\n")
