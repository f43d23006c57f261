"""A stand-in for Microsoft Entra ID: gives tokens to the applications that a test has registered, over HTTPS.

azure-identity is sent here by ``AZURE_AUTHORITY_HOST`` or its ``authority`` option, with instance discovery switched
off. The tokens are such as Azurite's ``--oauth basic`` takes; nobody checks their signatures.
"""

import os
import ssl
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field

from tools.devcluster.layout import REPOSITORY

from .certificates import CertificateAuthority
from .jsonfile import JsonFile
from .server import Server, override


@dataclass(frozen=True, slots=True)
class Application:
    """A registered application with its client secret."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)


class EntraServer(Server):
    """POST /{tenant}/oauth2/v2.0/token, and the metadata that clients read first."""

    def __init__(self, name: str = "entra", port: int | None = None) -> None:
        super().__init__(name, port)
        self.authority = CertificateAuthority(self.state / "pki")
        self._tenants = JsonFile(self.state / "applications.json")

    @property
    def endpoint(self) -> str:
        """For AZURE_AUTHORITY_HOST; its certificate is signed by ``authority``."""
        return f"https://127.0.0.1:{self.port}"

    def register(
        self, application: Application, *, expired_secrets: Sequence[str] = (), token_seconds: int = 3600
    ) -> None:
        """Let an application in, its tenant with it; again to change its secret. ``expired_secrets`` are those it had before."""
        entry = {
            "secret": application.client_secret,
            "expiredSecrets": list(expired_secrets),
            "tokenSeconds": token_seconds,
        }
        with self._tenants.changing() as tenants:
            tenants.setdefault(application.tenant_id, {})[application.client_id] = entry

    def federate(self, tenant_id: str, client_id: str, subject: str) -> None:
        """Let an application in without a secret, by a service account's token with this subject."""
        with self._tenants.changing() as tenants:
            entry = tenants.setdefault(tenant_id, {}).setdefault(client_id, {})
            entry["subject"] = subject

    def unregister(self, tenant_id: str, client_id: str) -> None:
        """Delete an application; its tenant stays."""
        with self._tenants.changing() as tenants:
            tenants[tenant_id].pop(client_id, None)

    @override
    def _prepare(self) -> list[str]:
        certificate, key = self.authority.issue("entra")
        command = [sys.executable, "-m", "tools.testservers.entrastub", "--port", str(self.port)]
        return [*command, "--state", str(self.state), "--cert", str(certificate), "--key", str(key)]

    @override
    def _environment(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))}

    @override
    def _is_ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_health", timeout=2, context=context):
                return True
        except OSError:
            return False
