"""The demo's buckets: how pods and this machine reach them, what a Connector says of them, and how sample media get into them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tools.demo.programs import Json
from tools.testservers.clients import s3_client_of

REGION = "us-east-1"


class Place(Protocol):
    """A bucket's server, of any provider."""

    @property
    def provider(self) -> str:
        """The Connector's word for it."""
        ...

    def block(self, bucket: str) -> Json:
        """The block of that name in a Connector's spec."""
        ...

    def secret(self) -> dict[str, str]:
        """What the Connector's Secret holds."""
        ...

    def fill(self, bucket: str, directory: Path, paths: Iterable[str], *, done: Callable[[], None]) -> None:
        """Bring files below ``directory`` into the bucket; ``done`` is called after each."""
        ...


@dataclass(frozen=True, slots=True)
class Storage:
    """An S3 server. ``reach`` gives the endpoint as this machine sees it, for as long as it is entered."""

    endpoint: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    reach: Callable[[], AbstractContextManager[str]] | None = None
    provider: str = "s3"

    def reached(self) -> AbstractContextManager[str]:
        """The endpoint from here; by default the pods' one."""
        return self.reach() if self.reach is not None else nullcontext(self.endpoint)

    def block(self, bucket: str) -> Json:
        """What ``spec.s3`` of a Connector says."""
        return {"bucket": bucket, "region": REGION, "endpoint": self.endpoint, "forcePathStyle": True}

    def secret(self) -> dict[str, str]:
        """What the Connector's Secret holds."""
        return {"accessKeyId": self.access_key, "secretAccessKey": self.secret_key}

    def fill(self, bucket: str, directory: Path, paths: Iterable[str], *, done: Callable[[], None]) -> None:
        """Bring files below ``directory`` into the bucket; ``done`` is called after each."""
        with self.reached() as endpoint:
            upload(open_client(self, endpoint), bucket, directory, paths, done=done)


def open_client(storage: Storage, endpoint: str) -> Any:
    """An S3 client of the server's administrator."""
    return s3_client_of(endpoint, storage.access_key, storage.secret_key, attempts=5)


def upload(client: Any, bucket: str, directory: Path, paths: Iterable[str], *, done: Callable[[], None]) -> None:
    """Bring files below ``directory`` into the bucket, made if it is missing; ``done`` is called after each."""
    if bucket not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=bucket)
    for path in paths:
        client.put_object(Bucket=bucket, Key=path, Body=(directory / path).read_bytes())
        done()
