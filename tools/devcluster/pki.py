"""The cluster's certificates and kubeconfigs, made with openssl; nothing else writes keys."""

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .layout import NODE_NAME, Layout
from .tools import path_of

_DAYS = "3650"
_EMPTY_CONFIG = "[req]\ndistinguished_name = name\nprompt = no\n[name]\n"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate; Kubernetes reads the user from the common name and the groups from the organisations."""

    file: str
    common_name: str
    organisation: str = ""
    names: str = ""

    @property
    def subject(self) -> str:
        """As openssl writes it."""
        organisation = f"/O={self.organisation}" if self.organisation else ""
        return f"{organisation}/CN={self.common_name}"


_USERS = (
    Leaf("admin", "devcluster-admin", "system:masters"),
    Leaf("controller-manager", "system:kube-controller-manager"),
    Leaf("scheduler", "system:kube-scheduler"),
    Leaf("kubelet", f"system:node:{NODE_NAME}", "system:nodes"),
    Leaf("netproxy", "devcluster-netproxy"),
    Leaf("apiserver-to-kubelet", "devcluster-apiserver-to-kubelet"),
)
_KUBECONFIG_USERS = ("admin", "controller-manager", "scheduler", "kubelet", "netproxy")


def _servers(layout: Layout) -> tuple[Leaf, ...]:
    dns = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    return (
        Leaf(
            "apiserver",
            "kube-apiserver",
            names=f"IP:{layout.server_ip},IP:127.0.0.1,{dns},DNS:kubernetes.default.svc.cluster.local",
        ),
        Leaf("kubelet-server", f"system:node:{NODE_NAME}", "system:nodes", names=f"IP:{NODE_NAME}"),
    )


def ensure(layout: Layout) -> None:
    """Make what is missing; an interrupted run leaves no half-written pair, since the stamp is written last."""
    stamp = layout.pki / "complete"
    if stamp.exists():
        return
    layout.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    (layout.pki / "openssl.cnf").write_text(_EMPTY_CONFIG)
    _make_authority(layout.pki)
    for leaf in (*_USERS, *_servers(layout)):
        _make_leaf(layout.pki, leaf)
    _make_token_keys(layout.pki)
    for user in _KUBECONFIG_USERS:
        _write_kubeconfig(layout, user)
    stamp.touch()


def kubeconfig_of(layout: Layout, user: str) -> Path:
    """Where a user's kubeconfig lies."""
    return layout.kubeconfig if user == "admin" else layout.pki / f"{user}.kubeconfig"


def _make_authority(pki: Path) -> None:
    _openssl(
        pki,
        *("req", "-x509", "-config", "openssl.cnf", *_CURVE, "-days", _DAYS, "-subj", "/CN=devcluster-ca"),
        *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-addext", "subjectKeyIdentifier=hash", "-keyout", "ca.key", "-out", "ca.crt"),
    )


def _make_leaf(pki: Path, leaf: Leaf) -> None:
    usage = "serverAuth" if leaf.names else "clientAuth"
    extensions = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        f"extendedKeyUsage={usage}",
    ]
    if leaf.names:
        extensions.append(f"subjectAltName={leaf.names}")
    _openssl(
        pki,
        *("req", "-x509", "-config", "openssl.cnf", *_CURVE, "-days", _DAYS, "-subj", leaf.subject),
        *("-CA", "ca.crt", "-CAkey", "ca.key", "-keyout", f"{leaf.file}.key", "-out", f"{leaf.file}.crt"),
        *(part for extension in extensions for part in ("-addext", extension)),
    )


def _make_token_keys(pki: Path) -> None:
    _openssl(pki, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "tokens.key")
    _openssl(pki, "pkey", "-in", "tokens.key", "-pubout", "-out", "tokens.pub")


def _openssl(pki: Path, *arguments: str) -> None:
    subprocess.run([path_of("openssl"), *arguments], cwd=pki, check=True, capture_output=True)


def _write_kubeconfig(layout: Layout, user: str) -> None:
    def embedded(file: str) -> str:
        return base64.b64encode((layout.pki / file).read_bytes()).decode()

    path = kubeconfig_of(layout, user)
    path.touch(mode=0o600)
    path.write_text(
        f"""apiVersion: v1
kind: Config
current-context: {layout.name}
clusters:
- name: {layout.name}
  cluster:
    server: {layout.server}
    certificate-authority-data: {embedded("ca.crt")}
users:
- name: {user}
  user:
    client-certificate-data: {embedded(f"{user}.crt")}
    client-key-data: {embedded(f"{user}.key")}
contexts:
- name: {layout.name}
  context:
    cluster: {layout.name}
    user: {user}
"""
    )
