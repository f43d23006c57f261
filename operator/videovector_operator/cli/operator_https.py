"""The operator's own API over HTTPS: one connection, bounded requests, every refusal as a sentence and an exit code."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
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
_CLOSED = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What is seen of a connection that the other side has closed; http.client.RemoteDisconnected is the first of them."""


class HttpsOperatorApi:
    """The operator at ``address`` (host, port), below the path ``base``.

    ``build_tls`` makes a context without the client certificate; one that the operator does not take is left out, and the token,
    if there is one, stands alone.
    """

    def __init__(
        self,
        address: tuple[str, int],
        build_tls: Callable[[], ssl.SSLContext],
        credentials: Credentials,
        *,
        clock: Clock,
        base: str = "",
    ) -> None:
        self._address = address
        self._build_tls = build_tls
        self._context = build_tls()
        credentials.load_into(self._context)
        self._base = base
        self._clock = clock
        self._shows_certificate = credentials.certificate is not None
        self._has_answered = False
        self._refusal = ""
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
        failure = failure_of(status, body)
        if status == http.client.UNAUTHORIZED and self._refusal:
            raise unreachable(f"{self._refusal}\n  without it the operator says: {failure.message}")
        raise failure

    def _send(self, url: str) -> tuple[int, float, Json]:
        """Ask once; once more without the client certificate if it may be what is refused."""
        try:
            return self._exchange(url)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            told = self._explain(error)
            if not self._may_mean_the_certificate(error):
                raise unreachable(told if self._has_answered else self._refusal or told) from None
        self._refusal, self._shows_certificate = told, False
        self._context = self._build_tls()
        return self._send(url)

    def _exchange(self, url: str) -> tuple[int, float, Json]:
        answer = self._open_answer(url)
        assert self._connection is not None
        data = _read(self._connection, answer, time.monotonic() + _SECONDS)
        self._has_answered = True
        body = _parse(data)
        if answer.status == http.client.OK and not body:
            raise unreachable(
                "the answer of the operator's API broke off, or is no JSON object: is it the operator at all?"
            )
        return answer.status, _number(answer.getheader("Retry-After")), body

    def _open_answer(self, url: str) -> http.client.HTTPResponse:
        """Send the request, on the connection of the one before if there is one.

        A server closes what has been idle for half a minute, which a user who reads page by page lets happen. Nothing has been
        answered then, and nothing is changed by asking again.
        """
        is_reused = self._connection is not None and self._connection.sock is not None
        try:
            return self._request(url)
        except _CLOSED:
            if not is_reused:
                raise
        self.close()
        return self._request(url)

    def _request(self, url: str) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(*self._address, timeout=_SECONDS, context=self._context)
        self._connection.request("GET", url, headers=self._headers)
        return self._connection.getresponse()

    def _may_mean_the_certificate(self, error: Exception) -> bool:
        """True for what TLS does to a client whose certificate is not taken, which shows only when the answer is read."""
        if not self._shows_certificate or self._has_answered:
            return False
        if isinstance(error, ssl.SSLError):
            return isinstance(error, ssl.SSLEOFError) or "ALERT" in (error.reason or "")
        return isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)

    def _explain(self, error: Exception) -> str:
        if isinstance(error, ssl.SSLError) and not isinstance(error, _CLOSED):
            return _explain_tls(error)
        text = f"the operator's API did not answer ({type(error).__name__})"
        if self._may_mean_the_certificate(error):
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
