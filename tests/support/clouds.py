"""The clouds as end-to-end tests see them: a server, a way to fill it that is not ours, and credentials, right and wrong.

S3 and Cloud Storage are here, Azure's in `azure_clouds`; `running_clouds` runs the servers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tools.demo.storage import Storage, open_client, upload
from tools.testservers import FakeGcsServer, VersityGateway
from tools.testservers.clients import gcs_client
from tools.testservers.gcs_accounts import READ_ONLY, ServiceAccount

Json = dict[str, Any]
CA_BUNDLE = "storage-authority"
"""Name of the ConfigMap that a cloud's ``ca_bundle`` must be in."""


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
