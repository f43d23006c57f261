"""The command line: names, options and help. Each command calls one function of its file; exit codes are those of `failures`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, NoReturn

import typer

from videovector_operator.cli.browse import Browse, browse
from videovector_operator.cli.browse import Format as ObjectFormat
from videovector_operator.cli.cancel import cancel
from videovector_operator.cli.completion import complete_connectors, complete_import_jobs
from videovector_operator.cli.connection_test import test_connection
from videovector_operator.cli.failures import FINE, INTERRUPTED, CommandError
from videovector_operator.cli.files import Format as FileFormat
from videovector_operator.cli.files import State, list_files
from videovector_operator.cli.logs import show_logs
from videovector_operator.cli.output import note
from videovector_operator.cli.ports import OPERATOR_NAMESPACE, LogQuery, OperatorPlace, Ports, Session, Target
from videovector_operator.cli.status import show_status

PROGRAM = "kubectl-videovector"

program = typer.Typer(
    name=PROGRAM,
    help="Look into imports of the VideoVector Operator: `kubectl videovector COMMAND`.\n\n"
    "Exit codes: 0 fine, 1 what was asked about is bad, 2 usage, 3 cannot reach or not allowed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _is_text(value: str | None) -> str | None:
    """Refuse what is not UTF-8: no name, prefix or pattern can be."""
    if value is not None and any("\ud800" <= char <= "\udfff" for char in value):
        raise typer.BadParameter("is not UTF-8 text")
    return value


Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; default: that of the context.", callback=_is_text)
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig.", callback=_is_text)]
Kubeconfig = Annotated[str | None, typer.Option(help="Path of the kubeconfig.", callback=_is_text)]
Connector = Annotated[
    str, typer.Argument(help="Name of a Connector.", autocompletion=complete_connectors, callback=_is_text)
]
ImportJob = Annotated[
    str, typer.Argument(help="Name of an ImportJob.", autocompletion=complete_import_jobs, callback=_is_text)
]
OperatorNamespace = Annotated[
    str | None,
    typer.Option(
        help=f"Namespace of the operator; default: {OPERATOR_NAMESPACE}.",
        envvar="KUBECTL_VIDEOVECTOR_OPERATOR_NAMESPACE",
        callback=_is_text,
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        help="URL of the operator's API, instead of a port-forward into its pod.",
        envvar="KUBECTL_VIDEOVECTOR_SERVER",
        callback=_is_text,
    ),
]
ServerCA = Annotated[
    str | None,
    typer.Option(
        "--server-ca",
        help="PEM file with the authority of --server.",
        envvar="KUBECTL_VIDEOVECTOR_SERVER_CA",
        callback=_is_text,
    ),
]
Timeout = Annotated[float, typer.Option(help="Seconds to wait.", min=1)]


@program.callback()
def options(
    ctx: typer.Context, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None
) -> None:
    """Take the options that stand before the command's name."""
    ports: Ports = ctx.obj
    ctx.obj = replace(ports, target=Target(namespace, context, kubeconfig).over(ports.target))


def _run(ctx: typer.Context, target: Target, command: Callable[[Ports, Session], int | None]) -> NoReturn:
    """Run a command in a session of its own, and end with its exit code."""
    ports: Ports = ctx.obj
    try:
        with ports.open_session(target.over(ports.target)) as session:
            code = command(ports, session) or FINE
    except CommandError as error:
        note(f"error: {error.message}")
        code = error.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise typer.Exit(code)


@program.command("browse")
def browse_command(
    ctx: typer.Context,
    connector: Connector,
    prefix: Annotated[
        str, typer.Option(help="Only keys that start with this text (not a folder).", callback=_is_text)
    ] = "",
    pattern: Annotated[
        str, typer.Option(help="Glob, as spec.filePattern of an ImportJob: '*.{mp4,mov}'.", callback=_is_text)
    ] = "*",
    *,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Or only one level, with the folders below.")
    ] = True,
    limit: Annotated[int, typer.Option(help="Show so many objects, and folders, at most.", min=1, max=10_000)] = 100,
    output: Annotated[ObjectFormat, typer.Option("--output", "-o", help="How to print.")] = ObjectFormat.TABLE,
    operator_namespace: OperatorNamespace = None,
    server: Server = None,
    server_ca: ServerCA = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the objects of a Connector's storage, as an import would see them."""
    wanted = Browse(prefix, pattern, recursive, limit)
    place = OperatorPlace(operator_namespace, server, server_ca)
    _run(
        ctx,
        Target(namespace, context, kubeconfig),
        lambda _, session: browse(session, connector, wanted, place, output),
    )


@program.command("test")
def connection_test_command(
    ctx: typer.Context,
    connector: Connector,
    *,
    timeout: Timeout = 60.0,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Test a Connector's connection now and say what is allowed. Exit code 1: the connection is bad."""
    _run(
        ctx,
        Target(namespace, context, kubeconfig),
        lambda ports, session: test_connection(
            session, connector, token=ports.new_token(), timeout_seconds=timeout, clock=ports.clock
        ),
    )


@program.command("files")
def files_command(
    ctx: typer.Context,
    import_job: ImportJob,
    *,
    state: Annotated[State | None, typer.Option(help="Only files in this state.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only files with this reason, for instance UnreadableMedia.", callback=_is_text)
    ] = None,
    output: Annotated[FileFormat, typer.Option("--output", "-o", help="How to print.")] = FileFormat.TABLE,
    operator_namespace: OperatorNamespace = None,
    server: Server = None,
    server_ca: ServerCA = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List every file of an ImportJob with what became of it."""
    chosen = {"state": state.value if state is not None else None, "reason": reason}
    filters = {name: value for name, value in chosen.items() if value is not None}
    place = OperatorPlace(operator_namespace, server, server_ca)
    _run(
        ctx,
        Target(namespace, context, kubeconfig),
        lambda _, session: list_files(session, import_job, filters, place, output),
    )


@program.command("logs")
def logs_command(
    ctx: typer.Context,
    import_job: ImportJob,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the import has ended.")] = False,
    tail: Annotated[int | None, typer.Option(help="Only the last lines of each pod.", min=0)] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print what the worker pods of an ImportJob say, each line with its pod."""
    query = LogQuery(follow, tail)
    _run(
        ctx,
        Target(namespace, context, kubeconfig),
        lambda ports, session: show_logs(session, import_job, query, ports.clock),
    )


@program.command("cancel")
def cancel_command(
    ctx: typer.Context,
    import_job: ImportJob,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it has ended.")] = False,
    timeout: Timeout = 120.0,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Stop an ImportJob; what is imported stays. Exit code 1: it had ended otherwise before."""
    _run(
        ctx,
        Target(namespace, context, kubeconfig),
        lambda ports, session: cancel(session, import_job, wait=wait, timeout_seconds=timeout, clock=ports.clock),
    )


@program.command("status")
def status_command(
    ctx: typer.Context,
    *,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    output: Annotated[ObjectFormat, typer.Option("--output", "-o", help="How to print.")] = ObjectFormat.TABLE,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show all Connectors, Indexes and ImportJobs, what is wrong first. Exit code 1: something is stalled."""
    _run(
        ctx,
        Target(namespace, context, kubeconfig),
        lambda ports, session: show_status(session, everywhere=everywhere, output=output, now=ports.utc_now()),
    )
