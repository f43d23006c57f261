"""Who asks: a client certificate that TLS has verified, else a bearer token that the Kubernetes API vouches for.

Tokens are passed on to the Kubernetes API and to nobody else; they are never kept, printed or logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videovector_operator.cluster.port import Cluster
from videovector_operator.operator_api.problems import unauthorized

Json = dict[str, Any]
Names = Iterable[Iterable[tuple[str, str]]]
"""A certificate's subject as the ssl module shows it: one tuple of (attribute, value) pairs a part."""

_AUTHENTICATED = "system:authenticated"
_HOW = "authenticate with a bearer token of the cluster, as `kubectl videovector` does with that of your kubeconfig"
_OR_BY_CERTIFICATE = ", or with a client certificate that the cluster's own client CA has signed"
_NO_CERTIFICATE = "; this operator accepts no client certificates (chart: operatorApi.clientCertificates)"


@dataclass(frozen=True, slots=True)
class Caller:
    """A user as the Kubernetes API knows them."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


async def observe_caller(
    reviews: Cluster, subject: Names | None, authorization: str | None, *, takes_certificates: bool = True
) -> Caller:
    """Find out who asks. A verified certificate goes before a token, as in the API server.

    ``takes_certificates`` = TLS asks for one, so that who has shown nothing can be told what would do.
    Raises ApiProblem (401) when nobody vouches for them; ClusterError.
    """
    if subject is not None:
        return caller_of_certificate(subject)
    how = _HOW + (_OR_BY_CERTIFICATE if takes_certificates else _NO_CERTIFICATE)
    return await _caller_of_token(reviews, _parse_token(authorization, how))


def caller_of_certificate(subject: Names) -> Caller:
    """Read a verified certificate as the API server does: the common name is the user, the organisations are the groups.

    Raises ApiProblem (401) when it names no user, or several.
    """
    pairs = [pair for part in subject for pair in part]
    users = [value for name, value in pairs if name == "commonName"]
    if len(users) != 1 or not users[0]:
        raise unauthorized("the client certificate's subject needs exactly one common name (CN): the user")
    groups = tuple(value for name, value in pairs if name == "organizationName")
    return Caller(users[0], groups=(*groups, _AUTHENTICATED))


def _parse_token(authorization: str | None, how: str) -> str:
    if not authorization:
        raise unauthorized(f"nobody is signed in: {how}")
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or any(char.isspace() for char in token):
        raise unauthorized(f"the Authorization header is not of the form `Bearer TOKEN`: {how}")
    return token


async def _caller_of_token(reviews: Cluster, token: str) -> Caller:
    manifest: Json = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "metadata": {},
        "spec": {"token": token},
    }
    answer = await reviews.create(manifest)
    status = (answer or {}).get("status") or {}
    user = status.get("user") or {}
    if status.get("authenticated") is not True or not user.get("username"):
        # What the API server says of the token (status.error) may quote it.
        raise unauthorized("the Kubernetes API does not accept the bearer token: it is unknown or has expired")
    extra = {name: tuple(values) for name, values in (user.get("extra") or {}).items()}
    return Caller(user["username"], user.get("uid") or "", tuple(user.get("groups") or ()), extra)
