"""The three clouds as end-to-end tests see them: a server, a way to fill it that is not ours, and credentials, right and wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from azure.core.exceptions import ResourceExistsError
from azure.storage import blob

from tools.demo.storage import Storage, open_client, upload
from tools.testservers import AzuriteServer, FakeGcsServer, VersityGateway
from tools.testservers.clients import azure_client, gcs_client
from tools.testservers.gcs_accounts import READ_ONLY, ServiceAccount

Json = dict[str, Any]
CA_BUNDLE = "storage-authority"
"""Name of the ConfigMap with the certificate of Azurite's authority."""


@dataclass(frozen=True)
class WrongSecret:
    """A Secret that must be refused, and the reason that the Connector must then have."""

    case: str
    data: Mapping[str, str] = field(repr=False)
    reason: str


class Cloud(Protocol):
    """One provider on one server."""

    @property
    def ca_bundle(self) -> str | None:
        """PEM text that the ConfigMap must hold, if it needs one."""
        ...

    def place(self, bucket: str) -> Json:
        """The provider's part of a Connector's spec."""
        ...

    def secret(self) -> dict[str, str]:
        """What the Connector's Secret must hold."""
        ...

    def wrong_secrets(self) -> Sequence[WrongSecret]:
        """Every way to be wrong."""
        ...

    def upload(self, bucket: str, folder: Path, paths: Sequence[str]) -> None:
        """Make the bucket and fill it."""
        ...


class S3Cloud:
    """versitygw."""

    ca_bundle = None

    def __init__(self, gateway: VersityGateway) -> None:
        self._gateway = gateway

    def place(self, bucket: str) -> Json:
        block = {"bucket": bucket, "region": "us-east-1", "endpoint": self._gateway.endpoint, "forcePathStyle": True}
        return {"provider": "s3", "s3": block}

    def secret(self) -> dict[str, str]:
        return {"accessKeyId": self._gateway.access_key, "secretAccessKey": self._gateway.secret_key}

    def wrong_secrets(self) -> Sequence[WrongSecret]:
        right = self.secret()
        return (
            WrongSecret("unknown access key", {**right, "accessKeyId": "AKIANOBODYKNOWS"}, "InvalidCredentials"),
            WrongSecret("wrong secret key", {**right, "secretAccessKey": "not-this-secret"}, "InvalidCredentials"),
            WrongSecret("no secret key", {"accessKeyId": right["accessKeyId"]}, "SecretKeyMissing"),
            WrongSecret("empty secret key", {**right, "secretAccessKey": " \n"}, "SecretKeyMissing"),
            WrongSecret("two lines", {**right, "secretAccessKey": "one-half\nother-half"}, "SecretInvalid"),
        )

    def upload(self, bucket: str, folder: Path, paths: Sequence[str]) -> None:
        storage = Storage(self._gateway.endpoint, self._gateway.access_key, self._gateway.secret_key)
        upload(open_client(storage, storage.endpoint), bucket, folder, paths, done=lambda: None)


class GcsCloud:
    """fake-gcs-server behind the front that checks tokens."""

    ca_bundle = None

    def __init__(self, server: FakeGcsServer) -> None:
        self._server = server
        self._account = server.create_account("importer", READ_ONLY)
        self._rotated = server.create_account("rotated", READ_ONLY)
        server.create_account("rotated", READ_ONLY)
        self._deleted = server.create_account("deleted", READ_ONLY)
        server.delete_account(self._deleted)

    @property
    def account(self) -> ServiceAccount:
        """The account of `secret`."""
        return self._account

    def place(self, bucket: str) -> Json:
        block = {"bucket": bucket, "projectId": self._server.project, "endpoint": self._server.endpoint}
        return {"provider": "gcs", "gcs": block}

    def secret(self) -> dict[str, str]:
        return {"credentials.json": self._account.key_file()}

    def wrong_secrets(self) -> Sequence[WrongSecret]:
        return tuple(
            WrongSecret(case, {"credentials.json": text} if text else {"key.json": "{}"}, reason)
            for case, text, reason in self._wrong_keys()
        )

    def _wrong_keys(self) -> Iterator[tuple[str, str, str]]:
        right = json.loads(self._account.key_file())
        yield "a key that was rotated", self._rotated.key_file(), "InvalidCredentials"
        yield "an account that was deleted", self._deleted.key_file(), "InvalidCredentials"
        yield (
            "another account's e-mail",
            json.dumps({**right, "client_email": self._rotated.email}),
            "InvalidCredentials",
        )
        yield "no JSON", self._account.key_file()[:-20], "SecretInvalid"
        yield "another type", json.dumps({**right, "type": "authorized_user"}), "SecretInvalid"
        without_key = {name: value for name, value in right.items() if name != "private_key"}
        yield "no private key", json.dumps(without_key), "SecretInvalid"
        yield "no such key", "", "SecretKeyMissing"

    def upload(self, bucket: str, folder: Path, paths: Sequence[str]) -> None:
        self._server.create_bucket(bucket)
        client = gcs_client(self._server)
        for path in paths:
            client.bucket(bucket).blob(path).upload_from_filename(str(folder / path))


@contextmanager
def running_clouds(gateway: VersityGateway) -> Iterator[dict[str, Cloud]]:
    """Run the servers beside the S3 gateway that runs already."""
    with FakeGcsServer("e2e-gcs") as gcs, AzuriteServer("e2e-azure", tls=True) as azure:
        yield {
            "s3": S3Cloud(gateway),
            "gcs": GcsCloud(gcs),
            "azure-account-key": AzureCloud(azure, "accountKey"),
            "azure-sas": AzureCloud(azure, "sasToken"),
        }


class AzureCloud:
    """Azurite by HTTPS with an authority of its own; ``kind`` is the key of the Secret: accountKey or sasToken."""

    def __init__(self, server: AzuriteServer, kind: str) -> None:
        self._server = server
        self._kind = kind

    @property
    def ca_bundle(self) -> str:
        """The authority that signed Azurite's certificate."""
        return self._server.authority.certificate.read_text()

    def place(self, bucket: str) -> Json:
        block = {"storageAccount": self._server.account, "container": bucket, "endpoint": self._server.endpoint}
        return {"provider": "azure", "azure": block, "caBundleRef": {"name": CA_BUNDLE}}

    def secret(self) -> dict[str, str]:
        return {self._kind: self._server.account_key if self._kind == "accountKey" else self._sas(hours=8)}

    def wrong_secrets(self) -> Sequence[WrongSecret]:
        right = self.secret()[self._kind]
        if self._kind == "accountKey":
            other = base64.b64encode(b"another key of 64 bytes".ljust(64, b"!")).decode()
            return (
                WrongSecret("another key", {"accountKey": other}, "InvalidCredentials"),
                WrongSecret("not base64", {"accountKey": f"{right[:20]}?{right[20:]}"}, "SecretInvalid"),
                WrongSecret(
                    "two kinds at once", {"accountKey": right, "sasToken": self._sas(hours=1)}, "SecretInvalid"
                ),
                WrongSecret("no key", {"key": "account"}, "SecretKeyMissing"),
                WrongSecret("client secret without tenant", {"clientSecret": "some~client~secret"}, "InvalidSpec"),
            )
        changed = right.replace("sig=", "sig=AAAA")
        url = f"{self._server.endpoint}/c?{right}"
        return (
            WrongSecret("changed signature", {"sasToken": changed}, "InvalidCredentials"),
            WrongSecret("expired", {"sasToken": self._sas(hours=-1)}, "InvalidCredentials"),
            WrongSecret("an URL instead of a token", {"sasToken": url}, "SecretInvalid"),
        )

    def upload(self, bucket: str, folder: Path, paths: Sequence[str]) -> None:
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
