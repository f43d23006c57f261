"""The plugin's commands over fakes: a cluster, an operator's API, a clock that moves when somebody sleeps."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from typer.testing import CliRunner, Result

from tests.support.samples import NAMESPACE
from videovector_operator.cli.failures import CommandError, unreachable
from videovector_operator.cli.ports import Clock, LogQuery, OperatorPlace, Ports, Target
from videovector_operator.cli.program import program
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.core.keys import ObjectKey

Json = dict[str, Any]
NOW = 1_767_225_700.0
"""2026-01-01T00:01:40Z: a hundred seconds after the fake cluster's beginning."""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class FakeKubernetes:
    """The Kubernetes API of the plugin over a FakeCluster. ``failures`` maps (verb, kind) to what is raised."""

    cluster: FakeCluster
    failures: dict[tuple[str, str], CommandError] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    """Line numbers at which a pod's log breaks off, each once."""
    log_queries: list[tuple[str, str, str, LogQuery]] = field(default_factory=list)
    patches: list[tuple[str, Json]] = field(default_factory=list)

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        self._enter("get", kind)
        return self.cluster.find(ObjectKey(kind, namespace, name))

    def list(self, kind: str, namespace: str | None, *, labels: str = "") -> Sequence[Json]:
        self._enter("list", kind)
        wanted = dict(term.split("=", 1) for term in labels.split(",") if term)
        return [
            body
            for body in self.cluster.find_all(kind)
            if namespace in (None, body["metadata"]["namespace"])
            and wanted.items() <= (body["metadata"].get("labels") or {}).items()
        ]

    def patch(self, kind: str, namespace: str, name: str, patch: Json) -> Json | None:
        self._enter("patch", kind)
        key = ObjectKey(kind, namespace, name)
        if self.cluster.find(key) is None:
            return None
        self.patches.append((f"{kind}/{name}", patch))
        return self.cluster.edit(key, patch)

    def stream_log(self, namespace: str, pod: str, container: str, query: LogQuery) -> Iterator[str]:
        self._enter("log", pod)
        self.log_queries.append((namespace, pod, container, query))
        for number, line in enumerate(self.logs[pod]):
            second = f"2026-01-01T00:{number // 60:02}:{number % 60:02}"
            if query.since is not None and f"{second}Z" < query.since:
                continue
            if self.breaks.get(pod) and number >= self.breaks[pod][0]:
                self.breaks[pod].pop(0)
                raise unreachable(f"the log of pod {pod} broke off")
            yield f"{second}.5Z {line}" if query.timestamps else line

    def _enter(self, verb: str, kind: str) -> None:
        if (verb, kind) in self.failures:
            raise self.failures[verb, kind]


@dataclass
class FakeOperatorApi:
    """The operator's API: ``pages`` are answered one after the other, ``failure`` is raised instead."""

    pages: list[Json] = field(default_factory=list)
    asked: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)
    failure: CommandError | None = None

    def browse(self, namespace: str, connector: str, query: Mapping[str, str]) -> Json:
        return self._answer("browse", namespace, connector, query)

    def list_files(self, namespace: str, import_job: str, query: Mapping[str, str]) -> Json:
        return self._answer("files", namespace, import_job, query)

    def _answer(self, what: str, namespace: str, name: str, query: Mapping[str, str]) -> Json:
        self.asked.append((what, namespace, name, dict(query)))
        if self.failure is not None and len(self.asked) > len(self.pages):
            raise self.failure
        return self.pages[len(self.asked) - 1]


class PluginDesk:
    """Runs commands. ``on_sleep`` is called, with the count of sleeps, whenever a command waits; ``on_open`` when the way to
    the operator is being opened."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.kubernetes = FakeKubernetes(self.cluster)
        self.operator = FakeOperatorApi()
        self.targets: list[Target] = []
        self.places: list[OperatorPlace] = []
        self.namespace = NAMESPACE
        self.on_sleep: Callable[[int], None] = lambda _: None
        self.on_open: Callable[[], None] = lambda: None
        self.open_sessions = 0
        self.now = NOW
        self._seconds = 0.0
        self._sleeps = 0

    def run(self, *arguments: str) -> Result:
        """Run one command line."""
        return CliRunner().invoke(program, list(arguments), obj=self.ports())

    def ports(self) -> Ports:
        """What commands get."""
        clock = Clock(lambda: self._seconds, self._sleep)
        return Ports(self._open_session, clock, utc_now=lambda: self.now, new_token=lambda: "token-1")

    @contextmanager
    def _open_session(self, target: Target) -> Iterator[FakeSession]:
        self.targets.append(target)
        self.open_sessions += 1
        try:
            yield FakeSession(self, target.namespace or self.namespace)
        finally:
            self.open_sessions -= 1

    def _sleep(self, seconds: float) -> None:
        self._seconds += seconds
        self._sleeps += 1
        self.on_sleep(self._sleeps)


@dataclass
class FakeSession:
    """A session of the desk."""

    desk: PluginDesk
    namespace: str

    @property
    def kubernetes(self) -> FakeKubernetes:
        return self.desk.kubernetes

    @contextmanager
    def open_operator(self, place: OperatorPlace) -> Iterator[FakeOperatorApi]:
        self.desk.places.append(place)
        self.desk.on_open()
        yield self.desk.operator
