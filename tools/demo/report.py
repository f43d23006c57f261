"""What the demo shows at its end: kubectl's own tables, what the plugin says, and where to look next."""

from __future__ import annotations

import shlex
from pathlib import Path

from tools.demo.console import console
from tools.demo.plugin import run_plugin
from tools.demo.programs import Json, Kube
from tools.demo.site import NAMESPACE, RELEASE, SYSTEM_NAMESPACE


def print_objects(kube: Kube) -> None:
    """Print the objects as `kubectl get` shows them."""
    console.rule("kubectl get connectors,indexes,importjobs -o wide", align="left")
    # Not by rich, which would wrap the long lines.
    print(kube.run("get", "connectors,indexes,importjobs", "-n", NAMESPACE, "-o", "wide"), flush=True)


def print_plugin(kube: Kube, plugin: Path, *arguments: str) -> None:
    """Print a command of the plugin and what it says; files that failed are no failure of the demo."""
    console.rule(f"kubectl videovector {shlex.join(arguments)}", align="left")
    print(run_plugin(kube, plugin, *arguments), flush=True)


def print_next(kube: Kube, plugin: Path, job: Json) -> None:
    """Print commands that are worth a try now."""
    name, run = job["metadata"]["name"], job["status"]["id"]
    console.rule("Look at it", align="left")
    if kube.kubeconfig:
        print(f"  export KUBECONFIG={kube.kubeconfig}")
    program = kube.kubectl if "/" in kube.kubectl else "kubectl"
    folders = dict.fromkeys((str(plugin.parent), *([str(Path(program).parent)] if "/" in program else [])))
    print(f"  export PATH={':'.join(folders)}:$PATH")
    program = "kubectl"
    context = f" --context={kube.context}" if kube.context else ""
    kubectl = f"{program}{context}"
    here = f"{kubectl} -n {NAMESPACE}"
    system = f"{kubectl} -n {SYSTEM_NAMESPACE}"
    deployment = f"deploy/{RELEASE}"
    lines = (
        ("the whole story of the import", f"{here} describe importjob {name}"),
        ("every file of the import", f"kubectl videovector files {name} -n {NAMESPACE}{context}"),
        ("what is in the bucket", f"kubectl videovector browse media -n {NAMESPACE}{context}"),
        ("everything at a glance", f"kubectl videovector status -n {NAMESPACE}{context}"),
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
