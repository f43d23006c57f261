"""Azure as end-to-end tests see it, once for each kind of credentials: an account's key, a SAS, an application's secret."""

from __future__ import annotations

import base64
import secrets
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage import blob

from tests.support.clouds import CA_BUNDLE, WrongSecret
from tools.testservers import AzuriteServer
from tools.testservers.clients import azure_client
from tools.testservers.entra import Application

Json = dict[str, Any]


class AzureCloud(ABC):
    """Azurite by HTTPS with an authority of its own."""

    def __init__(self, server: AzuriteServer) -> None:
        self._server = server

    @property
    def ca_bundle(self) -> str:
        """The authority that signed Azurite's certificate."""
        return self._server.authority.certificate.read_text()

    def place(self, bucket: str) -> Json:
        """The provider's part of a Connector's spec."""
        block = {"storageAccount": self._server.account, "container": bucket, "endpoint": self._server.endpoint}
        return {"provider": "azure", "azure": block, "caBundleRef": {"name": CA_BUNDLE}}

    @abstractmethod
    def secret(self) -> dict[str, str]:
        """What the Connector's Secret must hold."""

    @abstractmethod
    def wrong_secrets(self) -> Sequence[WrongSecret]:
        """Every way to be wrong."""

    def upload(self, bucket: str, folder: Path, paths: Sequence[str]) -> None:
        """Make the container and fill it."""
        with azure_client(self._server) as client:
            with suppress(ResourceExistsError):
                client.create_container(bucket)
            for path in paths:
                client.get_blob_client(bucket, path).upload_blob((folder / path).read_bytes(), overwrite=True)

    def _sas(self, *, hours: int) -> str:
        expiry = datetime.now(UTC) + timedelta(hours=hours)
        token: str = blob.generate_account_sas(
            self._server.account,
            self._server.account_key,
            resource_types=blob.ResourceTypes(container=True, object=True),
            permission=blob.AccountSasPermissions(read=True, list=True),
            expiry=expiry,
        )
        return token


class AccountKeyCloud(AzureCloud):
    """By the account's key."""

    def secret(self) -> dict[str, str]:
        """The key."""
        return {"accountKey": self._server.account_key}

    def wrong_secrets(self) -> Sequence[WrongSecret]:
        """Another's, none, not one, and two kinds."""
        right = self._server.account_key
        other = base64.b64encode(b"another key of 64 bytes".ljust(64, b"!")).decode()
        two_kinds = {"accountKey": right, "sasToken": self._sas(hours=1)}
        return (
            WrongSecret("another key", {"accountKey": other}, "InvalidCredentials"),
            WrongSecret("not base64", {"accountKey": f"{right[:20]}?{right[20:]}"}, "SecretInvalid"),
            WrongSecret("two kinds at once", two_kinds, "SecretInvalid"),
            WrongSecret("no key", {"key": "account"}, "SecretKeyMissing"),
            WrongSecret("client secret without tenant", {"clientSecret": "some~client~secret"}, "InvalidSpec"),
        )


class SasCloud(AzureCloud):
    """By a shared access signature."""

    def secret(self) -> dict[str, str]:
        """The token."""
        return {"sasToken": self._sas(hours=8)}

    def wrong_secrets(self) -> Sequence[WrongSecret]:
        """Changed, ended, and not a token alone."""
        right = self.secret()["sasToken"]
        return (
            WrongSecret("changed signature", {"sasToken": right.replace("sig=", "sig=AAAA")}, "InvalidCredentials"),
            WrongSecret("expired", {"sasToken": self._sas(hours=-1)}, "InvalidCredentials"),
            WrongSecret(
                "an URL instead of a token", {"sasToken": f"{self._server.endpoint}/c?{right}"}, "SecretInvalid"
            ),
        )


class ApplicationCloud(AzureCloud):
    """By an application of the stand-in for Entra ID, with its secret; whoever asks needs `RunningClouds.entra_environment`."""

    def __init__(self, server: AzuriteServer) -> None:
        super().__init__(server)
        self._application = Application(str(uuid.uuid4()), str(uuid.uuid4()), f"right~{secrets.token_urlsafe(24)}")
        self._expired = f"expired~{secrets.token_urlsafe(24)}"
        server.entra.register(self._application, expired_secrets=[self._expired])

    def place(self, bucket: str) -> Json:
        """Say also which application it is."""
        place = super().place(bucket)
        whose = {"tenantId": self._application.tenant_id, "clientId": self._application.client_id}
        return {**place, "azure": {**place["azure"], **whose}}

    def secret(self) -> dict[str, str]:
        """The application's secret."""
        return {"clientSecret": self._application.client_secret}

    def wrong_secrets(self) -> Sequence[WrongSecret]:
        """The secret's id instead of its value, ended, broken, none, and two kinds."""
        right = self._application.client_secret
        two_kinds = {"clientSecret": right, "accountKey": self._server.account_key}
        return (
            WrongSecret("the secret's id", {"clientSecret": str(uuid.uuid4())}, "InvalidCredentials"),
            WrongSecret("expired", {"clientSecret": self._expired}, "InvalidCredentials"),
            WrongSecret("two lines", {"clientSecret": f"{right}\n{right}"}, "SecretInvalid"),
            WrongSecret("empty", {"clientSecret": " \n"}, "SecretKeyMissing"),
            WrongSecret("two kinds at once", two_kinds, "SecretInvalid"),
        )
