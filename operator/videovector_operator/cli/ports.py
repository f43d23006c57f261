"""What commands ask for: the Kubernetes API, the operator's own API, and who is asking. Only interfaces and plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]

OPERATOR_NAMESPACE = "videovector-system"
"""Where the documentation installs the operator."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster, as whom, and where: what is None comes from the kubeconfig."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    def over(self, other: Target) -> Target:
        """This target, with what it leaves open taken from ``other``."""
        return Target(
            self.namespace or other.namespace, self.context or other.context, self.kubeconfig or other.kubeconfig
        )


@dataclass(frozen=True, slots=True)
class OperatorPlace:
    """How to reach the operator's API: by port-forward into ``namespace`` (None = the usual one), or at ``server``."""

    namespace: str | None = None
    server: str | None = None
    server_ca: str | None = None


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of a container's log: the last ``tail`` lines (None = all), from a time on (RFC 3339, whole seconds), going on.

    ``timestamps`` = each line begins with its time and a blank.
    """

    follow: bool = False
    tail: int | None = None
    since: str | None = None
    timestamps: bool = False


class Kubernetes(Protocol):
    """The Kubernetes API, as the user. Kinds are those of `cluster.port.RESOURCES`.

    Every method raises CommandError and nothing else; a missing right is explained with the role that grants it.
    """

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """Read one object; None = there is no such object."""
        ...

    def list(self, kind: str, namespace: str | None, *, labels: str = "") -> Sequence[Json]:
        """Read all objects of a kind; ``namespace`` None = all namespaces."""
        ...

    def patch(self, kind: str, namespace: str, name: str, patch: Json) -> Json | None:
        """JSON merge patch; None = there is no such object."""
        ...

    def stream_log(self, namespace: str, pod: str, container: str, query: LogQuery) -> Iterator[str]:
        """Yield the lines of a container's log. Safe to call in several threads at once."""
        ...


class OperatorApi(Protocol):
    """The operator's own API. Raises CommandError."""

    def browse(self, namespace: str, connector: str, query: Mapping[str, str]) -> Json:
        """Objects of a Connector's storage."""
        ...

    def list_files(self, namespace: str, import_job: str, query: Mapping[str, str]) -> Json:
        """One page of an ImportJob's files."""
        ...


class Session(Protocol):
    """One command's connection."""

    @property
    def kubernetes(self) -> Kubernetes:
        """The Kubernetes API."""
        ...

    @property
    def namespace(self) -> str:
        """The namespace that the command is about."""
        ...

    def open_operator(self, place: OperatorPlace) -> AbstractContextManager[OperatorApi]:
        """Reach the operator; what was started for it has ended when the block ends."""
        ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as commands see it: ``now`` is monotonic, in seconds; ``sleep`` waits."""

    now: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """All that a command gets from outside. ``new_token`` makes a fresh word; ``utc_now`` is Unix time."""

    open_session: Callable[[Target], AbstractContextManager[Session]]
    clock: Clock
    utc_now: Callable[[], float]
    new_token: Callable[[], str]
    target: Target = Target()
    """What was said before the command's name."""
