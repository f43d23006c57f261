"""The demo's second cloud: a server that speaks the Cloud Storage JSON API, and how sample media get into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from google.api_core.exceptions import Conflict

from tools.demo.programs import Json
from tools.testservers.clients import gcs_client_of


@dataclass(frozen=True, slots=True)
class GcsPlace:
    """``key_file`` is for the Connector, ``administrator`` (the same, if "") for the upload. ``reach`` as in `storage.Storage`."""

    endpoint: str
    project: str
    key_file: str = field(repr=False)
    administrator: str = field(default="", repr=False)
    reach: Callable[[], AbstractContextManager[str]] | None = None
    provider: str = "gcs"

    def block(self, bucket: str) -> Json:
        """What ``spec.gcs`` of a Connector says."""
        return {"bucket": bucket, "projectId": self.project, "endpoint": self.endpoint}

    def secret(self) -> dict[str, str]:
        """What the Connector's Secret holds."""
        return {"credentials.json": self.key_file}

    def fill(self, bucket: str, directory: Path, paths: Iterable[str], *, done: Callable[[], None]) -> None:
        """Bring files below ``directory`` into the bucket, made if it is missing; ``done`` is called after each."""
        with self.reach() if self.reach is not None else nullcontext(self.endpoint) as endpoint:
            client = gcs_client_of(endpoint, self.project, self.administrator or self.key_file)
            with suppress(Conflict):
                client.create_bucket(bucket)
            for path in paths:
                client.bucket(bucket).blob(path).upload_from_filename(str(directory / path))
                done()
