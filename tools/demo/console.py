"""What a person sees of the demo's steps; nothing else prints, apart from the answers of kubectl in ``report.py``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(highlight=False)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Head a step, and say at its end how long it took."""
    console.print(f"[bold cyan]▸[/] {title}")
    begun = time.monotonic()
    yield
    console.print(f"  [green]✓[/] [dim]{time.monotonic() - begun:.1f} s[/]")


def bar() -> Progress:
    """A progress bar that counts files, for a terminal; a pipe sees nothing of it."""
    columns = (SpinnerColumn(), TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
