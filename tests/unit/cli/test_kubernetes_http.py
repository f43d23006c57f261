"""The Kubernetes API over a Unix socket: what each answer means."""

from __future__ import annotations

import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from videovector_operator.cli.failures import CommandError, RightMissingError
from videovector_operator.cli.kubernetes_http import ProxiedKubernetes
from videovector_operator.cli.ports import LogQuery

Json = dict[str, Any]


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers what it is told to, in order, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[tuple[str, str, bytes]] = []
        super().__init__(str(path), Handler)

    def say(self, status: int, body: Json | bytes) -> None:
        self.answers.append((status, body if isinstance(body, bytes) else json.dumps(body).encode()))


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, self.rfile.read(length)))
        status, body = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PATCH = do_GET  # noqa: N815 - the name that http.server looks for


@pytest.fixture
def server() -> Iterator[Server]:
    # Not tmp_path: the path of a Unix socket must be short.
    with tempfile.TemporaryDirectory() as directory, Server(Path(directory, "api")) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def kubernetes(server: Server) -> ProxiedKubernetes:
    return ProxiedKubernetes(Path(str(server.server_address)))


def test_an_object_by_its_path(server: Server, kubernetes: ProxiedKubernetes) -> None:
    server.say(200, {"metadata": {"name": "a"}})
    assert kubernetes.get("Connector", "team", "a/b?c") == {"metadata": {"name": "a"}}
    path = "/apis/videovector.io/v1alpha1/namespaces/team/connectors/a%2Fb%3Fc"
    assert server.asked == [("GET", path, b"")]


def test_what_is_not_there_is_none(server: Server, kubernetes: ProxiedKubernetes) -> None:
    server.say(404, {"kind": "Status", "message": "not found"})
    assert kubernetes.get("Connector", "team", "a") is None
    server.say(404, {"kind": "Status", "message": "not found"})
    assert kubernetes.patch("Connector", "team", "a", {"spec": {}}) is None


def test_a_patch(server: Server, kubernetes: ProxiedKubernetes) -> None:
    server.say(200, {"metadata": {}})
    kubernetes.patch("ImportJob", "team", "a", {"spec": {"cancel": True}})
    assert server.asked[0][0] == "PATCH"
    assert json.loads(server.asked[0][2]) == {"spec": {"cancel": True}}


def test_lists_come_page_by_page(server: Server, kubernetes: ProxiedKubernetes) -> None:
    server.say(200, {"items": [{"a": 1}], "metadata": {"continue": "a b"}})
    server.say(200, {"items": [{"a": 2}], "metadata": {}})
    assert kubernetes.list("Pod", "team", labels="a=b") == [{"a": 1}, {"a": 2}]
    assert [path for _, path, _ in server.asked] == [
        "/api/v1/namespaces/team/pods?limit=500&labelSelector=a%3Db",
        "/api/v1/namespaces/team/pods?limit=500&labelSelector=a%3Db&continue=a+b",
    ]
    server.say(200, {"items": [], "metadata": {}})
    assert kubernetes.list("Index", None) == []
    assert server.asked[-1][1] == "/apis/videovector.io/v1alpha1/indexes?limit=500"


def test_a_cluster_without_the_crds_is_not_an_empty_one(server: Server, kubernetes: ProxiedKubernetes) -> None:
    server.say(404, b"404 page not found\n")
    with pytest.raises(CommandError, match="does not know connectors: are the CRDs"):
        kubernetes.list("Connector", "team")


def test_a_log_comes_line_by_line(server: Server, kubernetes: ProxiedKubernetes) -> None:
    server.say(200, "eins\nzwei ü\r\n\xff".encode("latin-1"))
    lines = list(kubernetes.stream_log("team", "pod", "worker", LogQuery(tail=3)))
    assert lines == ["eins", "zwei \ufffd", "\ufffd"]
    server.say(200, b"")
    query = LogQuery(follow=True, since="2026-01-01T00:00:00Z", timestamps=True)
    assert list(kubernetes.stream_log("team", "pod", "worker", query)) == []
    assert [path.removeprefix("/api/v1/namespaces/team/pods/pod/log?") for _, path, _ in server.asked] == [
        "container=worker&tailLines=3",
        "container=worker&follow=true&sinceTime=2026-01-01T00%3A00%3A00Z&timestamps=true",
    ]


def status(message: str) -> Json:
    return {"kind": "Status", "message": message}


REFUSALS: dict[str, tuple[int, Json | bytes, str]] = {
    "who are you": (401, status("Unauthorized"), "does not accept your credentials: Unauthorized; log in again"),
    "broken": (500, b"dial tcp 10.0.0.1:443: connect: connection refused\n", "connection refused"),
    "too much": (429, status("storage is (re)initializing"), r"cannot get connectors: storage is \(re\)initializing"),
    "no JSON": (200, b"<html>", "is no JSON object: is a proxy in front"),
    "a list": (200, b"[]", "is no JSON object"),
    "nothing": (503, b"", "HTTP 503"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(server: Server, kubernetes: ProxiedKubernetes, name: str) -> None:
    code, body, words = REFUSALS[name]
    server.say(code, body)
    with pytest.raises(CommandError, match=words) as caught:
        kubernetes.get("Connector", "team", "a")
    assert caught.value.code == 3


FORBIDDEN = 'connectors.videovector.io is forbidden: User "bob" cannot'


def test_a_missing_right_is_explained_with_its_role(server: Server, kubernetes: ProxiedKubernetes) -> None:
    server.say(403, status(FORBIDDEN))
    with pytest.raises(RightMissingError) as caught:
        kubernetes.list("Connector", "team")
    assert caught.value.message == (
        'you may not list connectors in namespace "team": ask for the ClusterRole view there '
        f"(the chart's …-view extends it)\n  the Kubernetes API says: {FORBIDDEN}"
    )
    server.say(403, status(FORBIDDEN))
    with pytest.raises(RightMissingError, match=r"by a ClusterRoleBinding .*, or name one namespace with -n"):
        kubernetes.list("Connector", None)
    server.say(403, status(FORBIDDEN))
    with pytest.raises(RightMissingError, match=r"you may not patch importjobs .*: ask for the ClusterRole edit"):
        kubernetes.patch("ImportJob", "team", "a", {})
    server.say(403, status(FORBIDDEN))
    with pytest.raises(RightMissingError, match="you may not get pods/log"):
        list(kubernetes.stream_log("team", "pod", "worker", LogQuery()))


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"did not answer \(FileNotFoundError\)"):
        ProxiedKubernetes(tmp_path / "none").get("Pod", "a", "b")
    with pytest.raises(CommandError, match="the log of pod b broke off"):
        list(ProxiedKubernetes(tmp_path / "none").stream_log("a", "b", "c", LogQuery()))
