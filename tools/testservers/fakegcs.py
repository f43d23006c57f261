"""Google Cloud Storage on loopback: fake-gcs-server, and before it a front of ours that checks what it does not.

fake-gcs-server keeps its objects in memory, because its other way, a directory, loses keys (``a//b``, ``folder/``,
``..``). It is another process than the front, and is not ended with it: a stopped or killed server keeps its data.
"""

import contextlib
import http.client
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlencode

from tools.devcluster import build
from tools.devcluster.errors import DevClusterError
from tools.devcluster.layout import REPOSITORY

from .gcs_accounts import EVERYTHING, OBJECT_PERMISSIONS, AccountBook, ServiceAccount
from .server import Server, answers, override

MODULE = build.GoModule(
    "fake-gcs-server",
    Path(__file__).parent / "fake-gcs-server",
    {"fake-gcs-server": "github.com/fsouza/fake-gcs-server"},
)
_PROJECT = "videovector-tests"


class FakeGcsBackend(Server):
    """fake-gcs-server itself, which checks no credentials and few preconditions; for the front, and to show its gaps."""

    @property
    def endpoint(self) -> str:
        """The JSON API's root."""
        return f"http://127.0.0.1:{self.port}"

    @override
    def _prepare(self) -> list[str]:
        build.ensure(MODULE)
        address = f"127.0.0.1:{self.port}"
        command = [build.program("fake-gcs-server"), "-scheme", "http", "-backend", "memory", "-log-level", "error"]
        command += ["-host", "127.0.0.1", "-port", str(self.port)]
        return [*command, "-external-url", f"http://{address}", "-public-host", address]

    @override
    def _is_ready(self) -> bool:
        return answers(self.port, "/_internal/healthcheck")


class FakeGcsServer(Server):
    """A JSON API endpoint with service accounts, their permissions, preconditions, checksums and upload sessions.

    An account is made by ``create_account``; its ``key_file()`` is the text for a Secret's credentials.json.
    """

    def __init__(self, name: str = "gcs", port: int | None = None, *, project: str = _PROJECT) -> None:
        super().__init__(name, port)
        self.project = project
        self.backend = FakeGcsBackend(f"{name}-backend")
        self.accounts = AccountBook(self.state / "accounts.json")

    @property
    def endpoint(self) -> str:
        """For Connectors and clients, in place of https://storage.googleapis.com."""
        return f"http://127.0.0.1:{self.port}"

    def create_account(self, name: str, permissions: Iterable[str] = OBJECT_PERMISSIONS) -> ServiceAccount:
        """Make an account that may do this in every bucket. The same name again rotates its key: old tokens fail."""
        return self.accounts.create(name, self.project, permissions)

    def grant(self, account: ServiceAccount, permissions: Iterable[str], bucket: str | None = None) -> None:
        """Replace what it may do, from the next request on; in one bucket, or in all others."""
        self.accounts.grant(account.email, permissions, bucket)

    def delete_account(self, account: ServiceAccount) -> None:
        """Its tokens are refused from the next request on."""
        self.accounts.forget(account.email)

    @property
    def administrator(self) -> ServiceAccount:
        """May do everything; made once, and found again by other processes."""
        file = self.state / "administrator"
        if not file.exists():
            account = self.create_account("administrator", EVERYTHING)
            file.write_text(account.key_file())
        key = json.loads(file.read_text())
        return ServiceAccount(key["client_email"], self.project, key["private_key_id"], key["private_key"])

    def create_bucket(self, bucket: str) -> None:
        """Make an empty bucket; an existing one stays as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.backend.port, timeout=10)
        with contextlib.closing(connection):
            body = json.dumps({"name": bucket})
            connection.request(
                "POST", f"/storage/v1/b?project={self.project}", body, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            if answer.status not in {http.HTTPStatus.OK, http.HTTPStatus.CONFLICT}:
                raise DevClusterError(f"creating bucket {bucket} failed: {answer.read().decode(errors='replace')}")

    def fill_bucket(self, bucket: str, keys: Sequence[str]) -> None:
        """Put an empty object under each key, past the front, which takes three times as long: for thousands of them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.backend.port, timeout=10)
        with contextlib.closing(connection):
            for key in keys:
                query = urlencode({"uploadType": "media", "name": key})
                headers = {"Content-Type": "application/octet-stream"}
                connection.request("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", b"", headers)
                answer = connection.getresponse()
                said = answer.read().decode(errors="replace")
                if answer.status != http.HTTPStatus.OK:
                    raise DevClusterError(f"putting {key!r} into {bucket} failed: {said}")

    def open_uploads(self, bucket: str | None = None) -> list[str]:
        """Name the objects whose upload sessions were begun and neither ended nor cancelled; in one bucket, or in all."""
        uploads = (self.state / "uploads").glob("*/data")
        asked = [json.loads((data.parent / "asked").read_text()) for data in uploads]
        return sorted(each["metadata"]["name"] for each in asked if bucket in {None, each["bucket"]})

    @override
    def remove(self) -> None:
        """Stop both and delete everything."""
        super().remove()
        self.backend.remove()

    @override
    def _prepare(self) -> list[str]:
        self.backend.start()
        command = [sys.executable, "-m", "tools.testservers.gcsfront", "--port", str(self.port)]
        return [*command, "--backend", self.backend.endpoint, "--state", str(self.state)]

    @override
    def _environment(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))}

    @override
    def _is_ready(self) -> bool:
        return answers(self.port, "/_health")
