"""What the demo shows at its end: kubectl's own tables, what the plugin says, and where to look next. Every command is printed as it
is run, so that it can be pasted."""

from __future__ import annotations

from collections.abc import Collection

from rich.text import Text

from tools.demo.console import console
from tools.demo.programs import Json
from tools.demo.shell import Shell
from tools.demo.site import RELEASE, SYSTEM_NAMESPACE


def print_exports(shell: Shell) -> None:
    """Print what a shell needs for the commands that follow."""
    console.rule("To repeat what follows in a shell of yours, there first", align="left")
    print("".join(f"{line}\n" for line in shell.exports()), flush=True)


def print_objects(shell: Shell) -> None:
    """Print the objects as `kubectl get` shows them."""
    _print_answer(shell, "The objects", shell.kubectl("get", "connectors,indexes,importjobs", "-o", "wide"))


def print_plugin(shell: Shell, title: str, *arguments: str) -> None:
    """Print a command of the plugin and what it says; files that failed are no failure of the demo."""
    # Exit code 1 is an answer: something that was asked about is not as it should be.
    _print_answer(shell, title, shell.kubectl("videovector", *arguments), answers=(0, 1))


def _print_answer(shell: Shell, title: str, line: str, answers: Collection[int] = (0,)) -> None:
    console.rule(title, align="left")
    console.print(Text(line, style="bold"), soft_wrap=True)
    # Not by rich, which would wrap the long lines.
    print(shell.run(line, answers=answers), flush=True)


def print_next(shell: Shell, job: Json) -> None:
    """Print commands that are worth a try now."""
    name, run = job["metadata"]["name"], job["status"]["id"]
    console.rule("Look at it", align="left")
    for line in shell.exports():
        print(f"  {line}")
    annotate = shell.kubectl("annotate", "connector", "--all", "--overwrite")
    lines = (
        ("the whole story of the import", shell.kubectl("describe", "importjob", name)),
        ("every file of the import", shell.kubectl("videovector", "files", name)),
        ("what is in the bucket", shell.kubectl("videovector", "browse", "media")),
        ("everything at a glance", shell.kubectl("videovector", "status")),
        ("what the workers said", shell.kubectl("logs", "-l", f"videovector.io/run-id={run}")),
        ("what the operator says", shell.kubectl("logs", f"deploy/{RELEASE}", "-f", namespace=SYSTEM_NAMESPACE)),
        ("what happened, in order", shell.kubectl("get", "events", "--sort-by=.lastTimestamp")),
        ("test the connection again now", f"{annotate} videovector.io/requestedAt=$(date +%s)"),
        ("remove everything", "make demo-down"),
    )
    for text, command in lines:
        print(f"\n  # {text}\n  {command}")
    print(flush=True)
