"""People of a test: users of a real API server with exactly the rights that the chart's roles give, each with a kubeconfig."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.client_certificates import Authority, Identity
from tests.support.helm import one, render
from tools.devcluster.errors import DevClusterError
from tools.devcluster.fixtures import DevCluster

Json = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class User:
    """Somebody, with their kubeconfig."""

    name: str
    kubeconfig: Path
    token: str | None = None
    identity: Identity | None = None


class People:
    """Makes users whose rights end at one namespace."""

    def __init__(self, cluster: DevCluster, namespace: str, directory: Path) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._directory = directory
        pki = cluster.control.layout.pki
        given = ((pki / "ca.crt").read_bytes(), (pki / "ca.key").read_bytes())
        self.authority = Authority(directory, given=given)

    def by_token(self, name: str, *roles: str) -> User:
        """A service account with a token, and the chart's roles (view, edit) in the namespace."""
        token = self.make_token(name)
        self._grant(roles, {"kind": "ServiceAccount", "name": name, "namespace": self._namespace})
        return User(name, self._write(name, {"token": token}), token=token)

    def by_certificate(self, name: str, groups: Sequence[str] = (), *roles: str) -> User:
        """A user with a certificate of the cluster's CA; the roles are granted to the first group, else to the user."""
        identity = self.authority.issue(name, groups)
        kind, who = ("Group", groups[0]) if groups else ("User", name)
        self._grant(roles, {"kind": kind, "name": who, "apiGroup": RBAC})
        return User(name, self._write(name, self.user_of(identity)), identity=identity)

    def by_plugin(self, name: str, *roles: str) -> User:
        """A service account whose token comes from a login plugin."""
        token = self.make_token(name)
        self._grant(roles, {"kind": "ServiceAccount", "name": name, "namespace": self._namespace})
        script = self._directory / f"{name}-login.py"
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
        script.write_text(f"print('''{json.dumps(answer)}''')")
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(script)],
            "interactiveMode": "Never",
        }
        return User(name, self._write(name, {"exec": plugin}), token=token)

    def user_of(self, identity: Identity) -> Json:
        """A kubeconfig's user entry with a certificate."""
        return {
            "client-certificate-data": base64.b64encode(identity.certificate.read_bytes()).decode(),
            "client-key-data": base64.b64encode(identity.key.read_bytes()).decode(),
        }

    def make_token(self, name: str, *options: str) -> str:
        """A service account's token."""
        here = ("-n", self._namespace)
        known = self._cluster.run_kubectl(*here, "get", "serviceaccount", name, "--ignore-not-found", "-o", "name")
        if not known:
            self._cluster.run_kubectl(*here, "create", "serviceaccount", name)
        return self._cluster.run_kubectl(*here, "create", "token", name, *options).strip()

    def grant_tunnel(self, user: User, namespace: str, release: str) -> None:
        """Bind the Role …-cli of an installed release to a user."""
        account = f"--serviceaccount={self._namespace}:{user.name}" if user.identity is None else f"--user={user.name}"
        name = f"{user.name}-cli-{self._namespace}"
        self._cluster.run_kubectl("-n", namespace, "create", "rolebinding", name, f"--role={release}-cli", account)
        kind = "ServiceAccount" if user.identity is None else "User"
        self._wait_granted({"kind": kind, "name": user.name}, "create", "pods", namespace, "portforward")

    def _grant(self, roles: Sequence[str], subject: Json) -> None:
        for role in roles:
            rules = one(render(), "ClusterRole", f"vv-videovector-operator-{role}")["rules"]
            if role == "view":
                # What Kubernetes' own view adds for pods; the chart's role is aggregated into it.
                rules = [*rules, {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}]
            name = f"{subject['name']}-{role}".replace(":", "-")
            meta = {"name": name, "namespace": self._namespace}
            reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
            items = [
                {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules},
                {
                    "apiVersion": f"{RBAC}/v1",
                    "kind": "RoleBinding",
                    "metadata": meta,
                    "roleRef": reference,
                    "subjects": [subject],
                },
            ]
            manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            self._cluster.run_kubectl("apply", "-f", "-", stdin=manifest)
        for role in roles:
            self._wait_granted(
                subject, "get" if role == "view" else "patch", "connectors.videovector.io", self._namespace
            )

    def _wait_granted(self, subject: Json, verb: str, resource: str, namespace: str, subresource: str = "") -> None:
        """The API server's authoriser learns of a new role a moment later."""
        match subject["kind"]:
            case "ServiceAccount":
                who = [f"--as=system:serviceaccount:{self._namespace}:{subject['name']}"]
            case "Group":
                who = ["--as=anybody", f"--as-group={subject['name']}"]
            case _:
                who = [f"--as={subject['name']}"]
        wait_until_allowed(
            self._cluster.run_kubectl, verb, resource, f"--subresource={subresource}", "-n", namespace, *who
        )

    def _write(self, name: str, user: Json) -> Path:
        authority = self._cluster.control.layout.pki / "ca.crt"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [
                {"name": "c", "cluster": {"server": self._cluster.server, "certificate-authority": str(authority)}}
            ],
            "users": [{"name": "u", "user": user}],
            "contexts": [
                {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": self._namespace}},
                {"name": "elsewhere", "context": {"cluster": "c", "user": "u", "namespace": "default"}},
            ],
        }
        path = self._directory / f"{name}.kubeconfig"
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path


def wait_until_allowed(kubectl: Callable[..., str], *question: str) -> None:
    """Wait until `kubectl auth can-i` says yes: the API server's authoriser learns of a new role a moment later."""
    deadline = time.monotonic() + 60
    while True:
        try:
            kubectl("auth", "can-i", *question)
        except DevClusterError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
