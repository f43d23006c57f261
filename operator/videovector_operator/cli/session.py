"""One command's connection: the Kubernetes API through kubectl, and the operator's API through a port-forward or at a URL.

Whatever is started for it is ended with it.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from videovector_operator.cli.credentials import Credentials, read_credentials
from videovector_operator.cli.discovery import OperatorPod, find_operator
from videovector_operator.cli.failures import CommandError, unreachable, usage
from videovector_operator.cli.kubectl import Kubectl, namespace_of
from videovector_operator.cli.kubernetes_http import ProxiedKubernetes
from videovector_operator.cli.operator_https import HttpsOperatorApi
from videovector_operator.cli.ports import Clock, OperatorApi, OperatorPlace, Target
from videovector_operator.cli.rights import refused

Json = dict[str, Any]


class KubectlSession:
    """A session on kubectl."""

    def __init__(self, kubectl: Kubectl, kubernetes: ProxiedKubernetes, namespace: str, clock: Clock) -> None:
        self._kubectl = kubectl
        self._clock = clock
        self.kubernetes = kubernetes
        self.namespace = namespace

    @contextmanager
    def open_operator(self, place: OperatorPlace) -> Iterator[OperatorApi]:
        """Reach the operator's API; see the port."""
        if place.server is not None:
            with self._at_url(place.server, place.server_ca) as api:
                yield api
            return
        pod = find_operator(self.kubernetes, place.namespace)
        with self._through_tunnel(pod) as api:
            yield api

    @contextmanager
    def _through_tunnel(self, pod: OperatorPod) -> Iterator[OperatorApi]:
        try:
            with (
                self._kubectl.forwarding(pod.namespace, pod.name, pod.port) as port,
                # The tunnel ends in the pod itself: the API server and the kubelet vouch for the other end.
                self._connect(("127.0.0.1", port), _bare_context) as api,
            ):
                yield api
        except CommandError as error:
            raise _explain_tunnel(error, pod) from None

    @contextmanager
    def _at_url(self, server: str, authority: str | None) -> Iterator[OperatorApi]:
        url = parse_server(server)
        host = url.hostname or ""
        is_bare = authority is None and _is_loopback(host)
        build_tls = _bare_context if is_bare else partial(_verifying_context, authority)
        with self._connect((host, url.port or 443), build_tls, url.path.rstrip("/")) as api:
            yield api

    @contextmanager
    def _connect(
        self, address: tuple[str, int], build_tls: Callable[[], ssl.SSLContext], base: str = ""
    ) -> Iterator[HttpsOperatorApi]:
        credentials: Credentials = read_credentials(self._kubectl.read_config())
        api = HttpsOperatorApi(address, build_tls, credentials, clock=self._clock, base=base)
        try:
            yield api
        finally:
            api.close()


@contextmanager
def open_kubectl_session(target: Target, clock: Clock) -> Iterator[KubectlSession]:
    """Open a session; raises CommandError when kubectl cannot be started."""
    kubectl = Kubectl(target)
    with kubectl.proxying() as path:
        namespace = target.namespace or namespace_of(kubectl.read_config())
        yield KubectlSession(kubectl, ProxiedKubernetes(path), namespace, clock)


def parse_server(server: str) -> SplitResult:
    """Read the URL of an operator's API. Raises CommandError: a credential goes over HTTPS or not at all."""
    try:
        url = urlsplit(server)
        port_is_fine = url.port is None or url.port > 0
    except ValueError:
        raise usage(f"--server {server!r} is no URL") from None
    if url.scheme != "https" or not url.hostname or not port_is_fine or url.query or url.fragment or url.username:
        raise usage("--server must be of the form https://HOST[:PORT]")
    return url


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _verifying_context(authority: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise usage(f"--server-ca {authority!r} cannot be read: {getattr(error, 'strerror', '') or 'no PEM'}") from None


def _is_loopback(host: str) -> bool:
    """A port-forward that the user holds open. A name could lead anywhere, but for the one that is reserved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _explain_tunnel(error: CommandError, pod: OperatorPod) -> CommandError:
    if "forbidden" in error.message.lower() and "portforward" in error.message:
        return refused("create", "pods/portforward", pod.namespace, error.message.splitlines()[-1])
    if "kubectl port-forward" in error.message:
        return unreachable(f"no port-forward to pod {pod.name} in namespace {pod.namespace}: {error.message}")
    return error
