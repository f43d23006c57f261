"""The Kubernetes API over the Unix socket of `kubectl proxy`, with the standard library's HTTP client.

404 is None, a missing right is explained, everything else that goes wrong ends the command.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from typing_extensions import override

from videovector_operator.cli.failures import CommandError, unreachable
from videovector_operator.cli.ports import LogQuery
from videovector_operator.cli.rights import refused
from videovector_operator.cluster.port import RESOURCES

Json = dict[str, Any]
_LOGIN_SECONDS = 300.0
"""For the first request: a login may ask the user to go to a browser first."""
_SECONDS = 30.0
_SILENCE_SECONDS = 3600.0
"""A log that is followed may say nothing for so long."""
_PAGE = 500
_MAX_PAGES = 1000
_CHUNK = 64 * 1024
_MERGE_PATCH = "application/merge-patch+json"


class ProxiedKubernetes:
    """The Kubernetes API, as kubectl reaches it. Each request has a connection of its own: they are local and cheap."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_first = True

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """Read one object; see the port."""
        return self._call("get", kind, namespace, _path_of(kind, namespace, name))

    def list(self, kind: str, namespace: str | None, *, labels: str = "") -> Sequence[Json]:
        """Read all objects of a kind, page by page; see the port."""
        query = {"limit": str(_PAGE)} | ({"labelSelector": labels} if labels else {})
        found: list[Json] = []
        for _ in range(_MAX_PAGES):
            page = self._call("list", kind, namespace, f"{_path_of(kind, namespace)}?{urlencode(query)}")
            if page is None:
                raise unreachable(
                    f"the cluster does not know {RESOURCES[kind].plural}: are the CRDs of the operator installed?"
                )
            found += page.get("items") or ()
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                break
            query["continue"] = token
        return found

    def patch(self, kind: str, namespace: str, name: str, patch: Json) -> Json | None:
        """JSON merge patch; see the port."""
        return self._call("patch", kind, namespace, _path_of(kind, namespace, name), patch)

    def stream_log(self, namespace: str, pod: str, container: str, query: LogQuery) -> Iterator[str]:
        """Yield a log's lines; see the port."""
        chosen = {
            "container": container,
            "follow": "true" if query.follow else None,
            "tailLines": str(query.tail) if query.tail is not None else None,
            "sinceTime": query.since,
            "timestamps": "true" if query.timestamps else None,
        }
        wanted = {name: value for name, value in chosen.items() if value is not None}
        connection = _SocketConnection(self._path, _SILENCE_SECONDS if query.follow else _SECONDS)
        try:
            connection.request("GET", f"{_path_of('Pod', namespace, pod)}/log?{urlencode(wanted)}")
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise _failure("get", "pods/log", namespace, answer.status, answer.read(_CHUNK))
            for line in iter(answer.readline, b""):
                yield line.decode(errors="replace").rstrip("\r\n")
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(f"the log of pod {pod} broke off ({type(error).__name__})") from None
        finally:
            connection.close()

    def _call(self, verb: str, kind: str, namespace: str | None, path: str, patch: Json | None = None) -> Json | None:
        seconds = _LOGIN_SECONDS if self._is_first else _SECONDS
        try:
            status, data = self._send("GET" if patch is None else "PATCH", path, patch, seconds)
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(f"the Kubernetes API did not answer ({type(error).__name__})") from None
        self._is_first = False
        if status == http.client.NOT_FOUND:
            return None
        if status not in (http.client.OK, http.client.CREATED):
            raise _failure(verb, RESOURCES[kind].plural, namespace, status, data)
        parsed = _parse(data)
        if not parsed:
            raise unreachable("the Kubernetes API's answer is no JSON object: is a proxy in front of it?")
        return parsed

    def _send(self, method: str, path: str, patch: Json | None, seconds: float) -> tuple[int, bytes]:
        deadline = time.monotonic() + seconds
        connection = _SocketConnection(self._path, seconds)
        try:
            headers = {"Accept": "application/json"}
            if patch is not None:
                headers["Content-Type"] = _MERGE_PATCH
            connection.request(method, path, None if patch is None else json.dumps(patch), headers)
            answer = connection.getresponse()
            return answer.status, b"".join(_chunks(connection, answer, deadline))
        finally:
            connection.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._unix_path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._unix_path))


def _chunks(
    connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, deadline: float
) -> Iterator[bytes]:
    """The body, in total within the deadline."""
    while chunk := answer.read1(_CHUNK):
        yield chunk
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(left)


def _path_of(kind: str, namespace: str | None, name: str | None = None) -> str:
    resource = RESOURCES[kind]
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    end = f"/{quote(name, safe='')}" if name is not None else ""
    return f"{resource.prefix}{middle}/{resource.plural}{end}"


def _failure(verb: str, resource: str, namespace: str | None, status: int, data: bytes) -> CommandError:
    said = str(_parse(data).get("message") or data.decode(errors="replace").strip()[:500] or f"HTTP {status}")
    if status == http.client.FORBIDDEN:
        return refused(verb, resource, namespace, said)
    if status == http.client.UNAUTHORIZED:
        return unreachable(f"the Kubernetes API does not accept your credentials: {said}; log in again")
    return unreachable(f"the Kubernetes API cannot {verb} {resource}: {said}")


def _parse(data: bytes) -> Json:
    """The answer as a JSON object; {} = it is none."""
    try:
        parsed = json.loads(data)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
