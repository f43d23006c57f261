"""The few calls this room makes to its own API server, as the administrator; tests use a real client."""

import http.client
import json
import ssl
from typing import Any

from .errors import DevClusterError
from .layout import Layout

Json = dict[str, Any]
_OK = range(200, 300)
_APPLY = "application/apply-patch+yaml"


class Api:
    """One connection a request: the server may have been restarted in between."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._context: ssl.SSLContext | None = None

    def request(
        self, method: str, path: str, body: Json | None = None, *, kind: str = "application/json", seconds: float = 60
    ) -> tuple[int, str]:
        """Answer the status and the text, whatever they are. ``seconds``: how long the server may be silent."""
        connection = http.client.HTTPSConnection(self._layout.server_ip, 443, timeout=seconds, context=self.tls())
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": kind, "Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether the server is up and takes our certificate."""
        try:
            return self.request("GET", "/readyz", seconds=10)[0] in _OK
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path: str) -> Json | None:
        """Read one object; None if there is none."""
        status, text = self.request("GET", path)
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        return self._decoded("GET", path, status, text)

    def apply(self, path: str, manifest: Json) -> Json:
        """Server-side apply: creates, or brings back what somebody changed."""
        query = f"{path}?fieldManager=devcluster&force=true"
        status, text = self.request("PATCH", query, manifest, kind=_APPLY)
        return self._decoded("PATCH", path, status, text)

    def create(self, path: str, manifest: Json) -> Json:
        """Make an object that must not exist yet."""
        status, text = self.request("POST", path, manifest)
        return self._decoded("POST", path, status, text)

    def delete(self, path: str) -> None:
        """Ask for an object's end; it may be gone already."""
        status, text = self.request("DELETE", path)
        if status != http.HTTPStatus.NOT_FOUND:
            self._decoded("DELETE", path, status, text)

    def tls(self) -> ssl.SSLContext:
        """Made at the first request: a cluster that was never started has no keys to read."""
        if self._context is None:
            pki = self._layout.pki
            self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
            self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        return self._context

    def _decoded(self, method: str, path: str, status: int, text: str) -> Json:
        if status not in _OK:
            raise DevClusterError(f"{method} {path}: {status} {text}")
        decoded: Json = json.loads(text)
        return decoded
