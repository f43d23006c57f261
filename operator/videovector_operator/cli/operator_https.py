"""The operator's own API over HTTPS: one connection, bounded requests, every refusal as a sentence and an exit code."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from videovector_operator.cli.credentials import Credentials
from videovector_operator.cli.failures import CommandError, bad, unreachable, usage
from videovector_operator.cli.ports import Clock

Json = dict[str, Any]
_SECONDS = 60.0
_ATTEMPTS = 4
_LONGEST_WAIT = 5.0
_LARGEST = 64 * 1024 * 1024
_BASE = "/apis/v1alpha1/namespaces"


class HttpsOperatorApi:
    """The operator at ``address`` (host, port), below the path ``base``. ``context`` holds the client certificate, if there is one."""

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        credentials: Credentials,
        *,
        clock: Clock,
        base: str = "",
    ) -> None:
        self._address = address
        self._context = context
        self._base = base
        self._clock = clock
        self._has_certificate = credentials.certificate is not None
        self._has_answered = False
        self._headers = {"Accept": "application/json"}
        if credentials.token is not None:
            self._headers["Authorization"] = f"Bearer {credentials.token}"
        self._connection: http.client.HTTPSConnection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def browse(self, namespace: str, connector: str, query: Mapping[str, str]) -> Json:
        """Objects of a Connector's storage; see the port."""
        return self._ask(f"{_BASE}/{quote(namespace, safe='')}/connectors/{quote(connector, safe='')}/browse", query)

    def list_files(self, namespace: str, import_job: str, query: Mapping[str, str]) -> Json:
        """One page of an ImportJob's files; see the port."""
        return self._ask(f"{_BASE}/{quote(namespace, safe='')}/importjobs/{quote(import_job, safe='')}/files", query)

    def _ask(self, path: str, query: Mapping[str, str]) -> Json:
        """Ask, and again when the operator says that it may work in a moment."""
        url = f"{self._base}{path}?{urlencode(query)}"
        for attempt in range(1, _ATTEMPTS + 1):
            status, wait, body = self._send(url)
            if status == http.client.OK:
                return body
            if status != http.client.SERVICE_UNAVAILABLE or attempt == _ATTEMPTS or wait > _LONGEST_WAIT:
                break
            self._clock.sleep(wait)
        raise failure_of(status, body)

    def _send(self, url: str) -> tuple[int, float, Json]:
        try:
            connection = self._connection or http.client.HTTPSConnection(
                *self._address, timeout=_SECONDS, context=self._context
            )
            self._connection = connection
            connection.request("GET", url, headers=self._headers)
            answer = connection.getresponse()
            data = _read(connection, answer, time.monotonic() + _SECONDS)
        except ssl.SSLError as error:
            self.close()
            raise unreachable(_explain_tls(error)) from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise unreachable(self._explain_silence(error)) from None
        self._has_answered = True
        return answer.status, _number(answer.getheader("Retry-After")), _parse(data)

    def _explain_silence(self, error: Exception) -> str:
        text = f"the operator's API did not answer ({type(error).__name__})"
        if self._has_certificate and not self._has_answered and isinstance(error, ConnectionError):
            text += ", or does not accept the client certificate of your kubeconfig: it knows the cluster's own client CA alone"
        return text


def _read(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, within the deadline and a size."""
    parts, size = [], 0
    while chunk := answer.read1(65536):
        parts.append(chunk)
        size += len(chunk)
        left = deadline - time.monotonic()
        if left <= 0 or size > _LARGEST:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(left)
    # Reading to the end does not end it for the connection, which is to be used again.
    answer.close()
    return b"".join(parts)


def _explain_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of the operator's API cannot be verified: {error.verify_message}; give its authority with "
            "--server-ca, or leave --server out to come by kubectl port-forward"
        )
    reason = (error.reason or "").lower().replace("_", " ")
    if "alert" in reason:
        return (
            f"the operator's API does not accept the client certificate of your kubeconfig ({reason}): it knows the "
            "cluster's own client CA alone"
        )
    return f"no TLS with the operator's API: {reason or type(error).__name__}"


def failure_of(status: int, body: Json) -> CommandError:
    """What a refusal means for the command."""
    error = body.get("error") or {}
    code, message = str(error.get("code") or ""), str(error.get("message") or f"HTTP {status}")
    if status == http.client.NOT_FOUND:
        return bad(message)
    if status == http.client.UNPROCESSABLE_ENTITY:
        return usage(message) if code in ("InvalidRequest", "InvalidPattern") else bad(f"{code}: {message}")
    return unreachable(f"{code}: {message}" if code else f"the operator's API answers {message}")


def _parse(data: bytes) -> Json:
    try:
        parsed = json.loads(data)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _number(text: str | None) -> float:
    return float(text) if text is not None and text.isdigit() else 1.0
