"""The demo on kind, or on whatever the current kubeconfig points to: storage and database run in the cluster."""

from __future__ import annotations

import secrets
import shutil
import subprocess

from tools.demo import image, release
from tools.demo.console import step
from tools.demo.errors import DemoError
from tools.demo.incluster import install_archive, install_storage
from tools.demo.programs import Kube, require, run
from tools.demo.site import NAMESPACE, RELEASE, STATE, SYSTEM_NAMESPACE, Site, remember
from tools.devcluster import build

KIND_CLUSTER = "videovector-demo"


def up_kind() -> Site:
    """Create the kind cluster unless it runs, build the image with Docker and load it."""
    require("docker", "kind")
    _require_engine()
    kubeconfig = STATE / "kind.kubeconfig"
    remember("kind", kubeconfig=str(kubeconfig))
    kube = _kube(str(kubeconfig), None)
    with step("Kubernetes, by kind"):
        if KIND_CLUSTER in run(["kind", "get", "clusters"]).split():
            run(["kind", "export", "kubeconfig", "--name", KIND_CLUSTER, "--kubeconfig", str(kubeconfig)])
        else:
            create = ["kind", "create", "cluster", "--name", KIND_CLUSTER, "--wait", "120s"]
            _show([*create, "--kubeconfig", str(kubeconfig)])
    with step("Image of the operator and its workers, built from the Dockerfile"):
        name = image.build_with_docker()
        _show(["kind", "load", "docker-image", "--name", KIND_CLUSTER, name])
    return _site(kube, name)


def up_existing(name: str) -> Site:
    """Take the current context of the current kubeconfig. Raises DemoError without an image that the cluster can pull."""
    if not name:
        raise DemoError(
            "the cluster has to pull the operator's image from a registry: push it there and name it, "
            "for instance\n  make demo CLUSTER=existing IMAGE=registry.example.com/videovector-operator:0.1.0"
        )
    require("kubectl", "helm")
    context = run(["kubectl", "config", "current-context"]).strip()
    remember("existing", context=context)
    kube = Kube(context=context)
    with step(f"Kubernetes, context {context}"):
        kube.run("version")
    return _site(kube, name)


def down(noted: dict[str, str | None]) -> None:
    """Remove what `up` made: the whole kind cluster, or the release and the namespaces on somebody's own cluster."""
    if noted["kind"] == "kind":
        with step("Deleting the kind cluster"):
            kubeconfig = noted["kubeconfig"] or ""
            run(["kind", "delete", "cluster", "--name", KIND_CLUSTER, "--kubeconfig", kubeconfig])
        return
    kube = Kube(context=noted["context"])
    with step(f"Removing the release and the demo's namespaces from context {noted['context']}"):
        # First, while the operator still cleans up behind them.
        kube.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", seconds=300)
        release.uninstall(kube, release.Release(RELEASE, SYSTEM_NAMESPACE, ""))
        kube.run("delete", "namespace", SYSTEM_NAMESPACE, "--ignore-not-found", "--wait", seconds=300)
    print(
        f"  The CustomResourceDefinitions stay. To remove them, with every object of theirs:\n"
        f"  kubectl delete crd {' '.join(release.CRD_NAMES)}"
    )


def _site(kube: Kube, name: str) -> Site:
    with step("An S3 and a Cloud Storage server in the cluster"):
        storage = install_storage(kube, secret_key=_storage_key())
        archive = install_archive(kube)
    # No volume: the demo shall run where nobody provides them, and leave none behind.
    return Site(kube, name, storage, archive, values={"catalog": {"postgresql": {"persistence": {"enabled": False}}}})


def _storage_key() -> str:
    """Made once and kept for the demo's life, so that a second `up` finds the same server."""
    note = STATE / "storage-key"
    if not note.exists():
        note.touch(mode=0o600)
        note.write_text(secrets.token_urlsafe(24))
    return note.read_text()


def _kube(kubeconfig: str | None, context: str | None) -> Kube:
    """With the programs on PATH, else with those of the development cluster, which are built on the spot."""
    if shutil.which("kubectl") and shutil.which("helm"):
        return Kube(kubeconfig=kubeconfig, context=context)
    build.ensure(build.KUBERNETES, build.HELM)
    return Kube(build.program("kubectl"), build.program("helm"), kubeconfig, context)


def _require_engine() -> None:
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        raise DemoError("no Docker engine answers: start it, or leave CLUSTER=kind out to run without one")


def _show(command: list[str]) -> None:
    """Run a command that has a progress display of its own."""
    if subprocess.run(command, check=False).returncode != 0:
        raise DemoError(f"failed: {' '.join(command)}")
