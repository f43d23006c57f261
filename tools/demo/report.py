"""What the demo shows at its end: kubectl's own tables, the files that were left out, and where to look next."""

from __future__ import annotations

from rich.table import Table

from tools.demo.console import console
from tools.demo.programs import Json, Kube
from tools.demo.site import NAMESPACE, RELEASE, SYSTEM_NAMESPACE


def print_objects(kube: Kube) -> None:
    """Print the objects as `kubectl get` shows them."""
    console.rule("kubectl get connectors,indexes,importjobs -o wide", align="left")
    # Not by rich, which would wrap the long lines.
    print(kube.run("get", "connectors,indexes,importjobs", "-n", NAMESPACE, "-o", "wide"), flush=True)


def print_files(job: Json) -> None:
    """Print the files that were not imported, and why."""
    status = job["status"]
    table = Table(title="Failed and skipped files", title_justify="left", header_style="bold", show_edge=False)
    for column in ("FILE", "OUTCOME", "REASON", "MESSAGE"):
        table.add_column(column, overflow="fold")
    for file in status.get("failedFiles", []):
        table.add_row(file["path"], "[red]failed[/]", file["reason"], file["error"])
    for file in status.get("skippedFiles", []):
        table.add_row(file["path"], "[yellow]skipped[/]", file["reason"], file.get("message", ""))
    console.print(table)


def print_next(kube: Kube, job: Json) -> None:
    """Print commands that are worth a try now."""
    name, run = job["metadata"]["name"], job["status"]["id"]
    console.rule("Look at it", align="left")
    if kube.kubeconfig:
        print(f"  export KUBECONFIG={kube.kubeconfig}")
    program = kube.kubectl if "/" in kube.kubectl else "kubectl"
    kubectl = program + (f" --context={kube.context}" if kube.context else "")
    here = f"{kubectl} -n {NAMESPACE}"
    system = f"{kubectl} -n {SYSTEM_NAMESPACE}"
    deployment = f"deploy/{RELEASE}"
    lines = (
        ("the whole story of the import", f"{here} describe importjob {name}"),
        ("every file of the import", f"{system} exec {deployment} -- videovector-operator files {run}"),
        ("what the workers said", f"{here} logs -l videovector.io/run-id={run}"),
        ("what the operator says", f"{system} logs {deployment} -f"),
        ("what happened, in order", f"{here} get events --sort-by=.lastTimestamp"),
        (
            "test the connection again now",
            f"{here} annotate connector --all --overwrite videovector.io/requestedAt=$(date +%s)",
        ),
        ("remove everything", "make demo-down"),
    )
    for text, command in lines:
        print(f"\n  # {text}\n  {command}")
    print(flush=True)
