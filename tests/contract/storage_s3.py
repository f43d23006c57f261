"""The S3 servers of the storage contract: versitygw (real signatures, users, policies) and moto (keeps every key)."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contract.storage_servers import Checksums, Deviations, Gaps, fetch_url
from tests.contract.storage_suite import write_empty
from tests.support.local_storage import LOCAL
from tools.testservers.clients import s3_client_of
from tools.testservers.versitygw import VersityGateway
from videovector_operator.errors import Unavailable
from videovector_operator.storage.port import S3Source, StaticCredentials, Storage
from videovector_operator.storage.s3 import S3Storage

ROOT = StaticCredentials("root-access", "root-secret-key")
REGION = "us-east-1"
_NUMBERS = itertools.count(1)


class S3Server:
    """A running S3 server. ``name`` appears in test ids."""

    def __init__(self, endpoint: str, gaps: Gaps, gateway: VersityGateway | None = None) -> None:
        self.endpoint = endpoint
        self.gaps = gaps
        self.gateway = gateway
        self.client = s3_client_of(endpoint, ROOT.access_key_id, ROOT.secret_access_key)

    def new_bucket(self) -> S3Bucket:
        name = f"contract-{next(_NUMBERS)}"
        self.client.create_bucket(Bucket=name)
        return S3Bucket(self, name)


class S3Bucket:
    """A fresh bucket, filled by boto3 as an independent client."""

    def __init__(self, server: S3Server, name: str) -> None:
        self.server = server
        self.name = name
        self.gaps = server.gaps

    def source(self, credentials: StaticCredentials | None = ROOT, **changes: Any) -> S3Source:
        fields = {"bucket": self.name, "region": REGION, "endpoint": self.server.endpoint, "credentials": credentials}
        return S3Source(**{**fields, **changes})

    def open(self) -> Storage:
        return S3Storage(self.source(), LOCAL)

    def beside(self) -> S3Bucket:
        return self.server.new_bucket()

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        self.server.client.put_object(Bucket=self.name, Key=key, Body=data, ContentType=content_type)

    async def fill(self, keys: Sequence[str]) -> None:
        await write_empty(self.open(), keys)

    def get(self, key: str) -> tuple[bytes, str]:
        found = self.server.client.get_object(Bucket=self.name, Key=key)
        return found["Body"].read(), found["ContentType"]

    def fetch(self, url: str) -> bytes:
        return fetch_url(url)

    def remove(self, key: str) -> None:
        self.server.client.delete_object(Bucket=self.name, Key=key)

    def keys(self) -> list[str]:
        listed = self.server.client.list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def leftovers(self) -> list[str]:
        listed = self.server.client.list_multipart_uploads(Bucket=self.name)
        return [entry["Key"] for entry in listed.get("Uploads", [])]

    def allow(self, user: str, *statements: tuple[str, str]) -> None:
        """Replace the bucket's policy: ``user`` may do each (action, resource suffix)."""
        rules = [
            {
                "Effect": "Allow",
                "Principal": {"AWS": [user]},
                "Action": action,
                "Resource": f"arn:aws:s3:::{self.name}{suffix}",
            }
            for action, suffix in statements
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": rules})
        self.server.client.put_bucket_policy(Bucket=self.name, Policy=policy)


@contextmanager
def running_versitygw() -> Iterator[S3Server]:
    """Run the gateway of tools/testservers on data of its own; removed at the end."""
    name = f"contract-s3-{os.getpid()}-{next(_NUMBERS)}"
    gateway = VersityGateway(name, access_key=ROOT.access_key_id, secret_key=ROOT.secret_access_key)
    lost = {"double slash", "leading slash", "dot segment", "two dots segment", "only dots", "control characters"}
    failing = dict.fromkeys(("look up", "read", "copy", "delete", "write"), Unavailable)
    with gateway:
        gaps = Gaps(
            checksums=Checksums(ours="crc64nvme", theirs="crc32"),
            lost_keys=frozenset(lost),
            uncopied_keys=frozenset({"trailing slash"}),
            odd_texts={
                **dict.fromkeys(("NUL", "NUL alone"), failing),
                # Listings have another character in their place.
                "control characters": {"write": None},
                "not characters": {"write": None},
            },
            resolves_paths=True,
            accepts_any_region=True,
            unconditional_copies=True,
        )
        yield S3Server(gateway.endpoint, gaps, gateway)


@contextmanager
def running_moto() -> Iterator[S3Server]:
    """Run moto's server as a process of its own; its log goes to a file, a pipe nobody reads would stop it."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "log")
        with log.open("w") as stderr:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        gaps = Gaps(
            checksums=Checksums(theirs="crc32"),
            lost_keys=frozenset({"line break"}),
            odd_texts=_odd_texts_of_moto(),
            accepts_any_region=True,
            fills_slowly=True,
            hides_composites=True,
            accepts_any_credentials=True,
            urls_never_expire=True,
            unchecked_bytes=True,
            unpinned_copies=True,
            unconditional_copies=True,
        )
        try:
            yield S3Server(_find_endpoint(log), gaps)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _odd_texts_of_moto() -> dict[str, Deviations]:
    absent = dict.fromkeys(("look up", "read", "copy"), Unavailable)
    # It names the key in its answers, also where XML cannot hold it.
    quoted: Deviations = {"list behind": Unavailable, **absent}
    # Of keys with line breaks its web framework knows no route: it answers with a page of its own, which could be anybody's.
    unknown: Deviations = {**absent, "delete": Unavailable, "write": Unavailable}
    return {
        **dict.fromkeys(("NUL", "NUL alone", "not characters"), quoted),
        **dict.fromkeys(("line feed", "a header"), unknown),
        "control characters": {**quoted, **unknown},
    }


def _find_endpoint(log: Path) -> str:
    """Wait for the line that says where the server listens; it listens by then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := re.search(r"Running on (http://[\w.:]+)\s", log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise TimeoutError(f"moto's server does not start: {log.read_text()}")
