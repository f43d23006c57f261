"""etcd, the API server, the controller manager and the scheduler, with their flags.

Nothing about the node belongs here.
"""

from .api import Api
from .build import program
from .components import Component, answers_ok
from .layout import Layout
from .pki import kubeconfig_of

_ETCD_PORT = 2379
_ETCD_PEER_PORT = 2380
_MANAGER_PORT = 10257
_SCHEDULER_PORT = 10259
# With clients connected both would linger; nothing is lost by ending them.
_IMPATIENT = 3.0
# These only repeat that an endpoint "may not be in the loopback range"; netproxy does their work.
_UNUSABLE_CONTROLLERS = ("endpoints-controller", "endpointslice-controller", "endpointslice-mirroring-controller")


def etcd(layout: Layout) -> Component:
    """Build etcd's command; losing power would lose data, losing the process does not."""
    client = f"http://{layout.internal_ip}:{_ETCD_PORT}"
    peer = f"http://{layout.internal_ip}:{_ETCD_PEER_PORT}"
    argv = (
        program("etcd"),
        f"--data-dir={layout.root / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    )
    return Component(
        "etcd",
        argv,
        layout.internal_ip,
        _ETCD_PORT,
        lambda: answers_ok(layout.internal_ip, _ETCD_PORT, "/health", tls=False),
        grace=_IMPATIENT,
    )


def api_server(layout: Layout) -> Component:
    """Build the API server's command: Node and RBAC authorisation, no anonymous access."""
    argv = (program("kube-apiserver"), *_serving(layout), *_access(layout), *_kubelet_client(layout))
    return Component("kube-apiserver", argv, layout.server_ip, 443, Api(layout).ready, grace=_IMPATIENT)


def _serving(layout: Layout) -> tuple[str, ...]:
    return (
        f"--etcd-servers=http://{layout.internal_ip}:{_ETCD_PORT}",
        f"--bind-address={layout.server_ip}",
        "--secure-port=443",
        f"--service-cluster-ip-range={layout.service_range}",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={layout.pki / 'apiserver.crt'}",
        f"--tls-private-key-file={layout.pki / 'apiserver.key'}",
        f"--cert-dir={layout.pki}",
        "--feature-gates=MutatingAdmissionPolicy=true",
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
    )


def _access(layout: Layout) -> tuple[str, ...]:
    return (
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--anonymous-auth=false",
        "--allow-privileged=true",
        f"--client-ca-file={layout.pki / 'ca.crt'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.pki / 'tokens.pub'}",
        f"--service-account-signing-key-file={layout.pki / 'tokens.key'}",
    )


def _kubelet_client(layout: Layout) -> tuple[str, ...]:
    return (
        f"--kubelet-certificate-authority={layout.pki / 'ca.crt'}",
        f"--kubelet-client-certificate={layout.pki / 'apiserver-to-kubelet.crt'}",
        f"--kubelet-client-key={layout.pki / 'apiserver-to-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
    )


def controller_manager(layout: Layout) -> Component:
    """Build the controller manager's command."""
    argv = (
        program("kube-controller-manager"),
        f"--kubeconfig={kubeconfig_of(layout, 'controller-manager')}",
        "--use-service-account-credentials",
        f"--root-ca-file={layout.pki / 'ca.crt'}",
        f"--service-account-private-key-file={layout.pki / 'tokens.key'}",
        f"--cluster-signing-cert-file={layout.pki / 'ca.crt'}",
        f"--cluster-signing-key-file={layout.pki / 'ca.key'}",
        "--leader-elect=false",
        f"--bind-address={layout.internal_ip}",
        f"--secure-port={_MANAGER_PORT}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--controllers=*," + ",".join(f"-{name}" for name in _UNUSABLE_CONTROLLERS),
    )
    return Component(
        "kube-controller-manager",
        argv,
        layout.internal_ip,
        _MANAGER_PORT,
        lambda: answers_ok(layout.internal_ip, _MANAGER_PORT, "/healthz", tls=True),
    )


def scheduler(layout: Layout) -> Component:
    """Build the scheduler's command."""
    argv = (
        program("kube-scheduler"),
        f"--kubeconfig={kubeconfig_of(layout, 'scheduler')}",
        "--leader-elect=false",
        f"--bind-address={layout.internal_ip}",
        f"--secure-port={_SCHEDULER_PORT}",
    )
    return Component(
        "kube-scheduler",
        argv,
        layout.internal_ip,
        _SCHEDULER_PORT,
        lambda: answers_ok(layout.internal_ip, _SCHEDULER_PORT, "/healthz", tls=True),
    )
