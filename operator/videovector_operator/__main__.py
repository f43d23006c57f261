"""The commands: operator, worker, migrate, crds, files. No logic: each calls one function of `app` or `api`.

What a command needs is imported when it runs: the operator must not pay for the media libraries, nor a worker for kopf.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from videovector_operator.core.records import FileState
from videovector_operator.errors import VideoVectorError
from videovector_operator.logs import configure_logging
from videovector_operator.settings import Settings

cli = typer.Typer(
    name="videovector-operator",
    help="Declarative media imports for Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
worker = typer.Typer(help="Programs that run in the pods of batch/v1 Jobs.", no_args_is_help=True)
cli.add_typer(worker, name="worker")


def _settings() -> Settings:
    settings = Settings()
    configure_logging(settings.log_level, settings.log_format)
    return settings


@cli.command("operator")
def operator_command() -> None:
    """Run the operator: the leader reconciles, others stand by."""
    settings = _settings()
    from videovector_operator.app.operator import run_operator

    asked = asyncio.run(run_operator(settings))
    raise typer.Exit(0 if asked else 1)


@worker.command("import")
def import_command(run: Annotated[str, typer.Option(help="Id of the run: job_…")]) -> None:
    """Import the files of one run, together with any number of other workers."""
    settings = _settings()
    from videovector_operator.app.worker import run_import_worker

    code = asyncio.run(run_import_worker(settings, run))
    sys.stderr.flush()
    # Not sys.exit: a probe that is stuck in a library would hold the process, and its pod, for ever.
    os._exit(code)


@cli.command("migrate")
def migrate_command(
    wait: Annotated[float, typer.Option(help="Seconds to wait for PostgreSQL to answer.")] = 0.0,
) -> None:
    """Bring the catalog's schema to this version."""
    settings = _settings()
    from videovector_operator.app.worker import run_migrations

    asyncio.run(run_migrations(settings, wait))


@cli.command("crds")
def crds_command(
    out: Annotated[Path, typer.Option(help="Directory to write to.")] = Path("crds"),
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file differs.")] = False,
) -> None:
    """Write the CustomResourceDefinitions that the models make."""
    from videovector_operator.api.crd_files import write_crds

    differing = write_crds(out, check=check)
    if check and differing:
        typer.echo(f"not up to date: {', '.join(differing)}; run: make generate", err=True)
        raise typer.Exit(1)


@cli.command("files")
def files_command(
    run: Annotated[str, typer.Argument(help="Id of the run: job_…, see status.id of the ImportJob")],
    state: Annotated[FileState | None, typer.Option(help="Only files in this state.")] = None,
) -> None:
    """Print every file of a run, one JSON object a line: the full lists behind a status."""
    settings = _settings()
    from videovector_operator.app.worker import print_run_files

    asyncio.run(print_run_files(settings, run, state, sys.stdout))


def main() -> None:
    """Entry point of the console script. An expected error is one line on standard error and exit code 1."""
    try:
        cli()
    except VideoVectorError as error:
        typer.echo(f"error: {error.message}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
