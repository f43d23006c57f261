"""What TLS of the operator's API is made from, read again and again: the cluster's client CA, and a certificate of yours.

A part that cannot be read leaves the last one in force: without any client CA, tokens still work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from videovector_operator.cluster.port import Cluster
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError
from videovector_operator.operator_api.tls import ServerCertificate, make_certificate

CLIENT_CA = ObjectKey("ConfigMap", "kube-system", "extension-apiserver-authentication")
"""Where every API server publishes the CA of client certificates."""
_CA_KEY = "client-ca-file"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trust:
    """The server's certificate, and the CA of client certificates (PEM; None = client certificates are not asked for)."""

    server: ServerCertificate
    client_ca: str | None


class TrustReader:
    """Reads what TLS needs. ``directory`` None = the server's certificate is made here, once."""

    def __init__(
        self, cluster: Cluster, clock: Callable[[], datetime], *, directory: Path | None, client_certificates: bool
    ) -> None:
        self._cluster = cluster
        self._directory = directory
        self._client_certificates = client_certificates
        self._made = make_certificate(clock()) if directory is None else None
        self._last_ca: str | None = None
        self._last_given: ServerCertificate | None = None

    async def read(self) -> Trust:
        """Read both parts. Raises OSError when there never was a certificate to read."""
        return Trust(await self._read_server(), await self._read_client_ca())

    async def _read_server(self) -> ServerCertificate:
        if self._directory is None:
            assert self._made is not None
            return self._made
        try:
            self._last_given = await asyncio.to_thread(_read_given, self._directory)
        except OSError as error:
            if self._last_given is None:
                raise
            _log.warning("the API's certificate cannot be read", directory=str(self._directory), error=str(error))
        assert self._last_given is not None
        return self._last_given

    async def _read_client_ca(self) -> str | None:
        if not self._client_certificates:
            return None
        try:
            body = await self._cluster.get(CLIENT_CA)
        except ClusterError as error:
            _log.warning("client certificates cannot be verified", error=error.message, object=str(CLIENT_CA))
            return self._last_ca
        found = ((body or {}).get("data") or {}).get(_CA_KEY)
        self._last_ca = found if isinstance(found, str) and found.strip() else None
        return self._last_ca


def _read_given(directory: Path) -> ServerCertificate:
    return ServerCertificate((directory / "tls.crt").read_bytes(), (directory / "tls.key").read_bytes())
