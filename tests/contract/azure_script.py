"""A scripted Azure server, and ours on it: shows what no real one shows on demand, and what stood on the wire."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import md5

from tests.support.local_storage import LOCAL
from tests.support.sleeping import Slept
from tests.support.stub_server import Answer, StubServer, answer
from videovector_operator.core.sources import AzureAccountKey, AzureSasToken
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.azure_credentials import Credentials
from videovector_operator.storage.exchange import Limits
from videovector_operator.storage.port import AzureSource
from videovector_operator.storage.surroundings import Surroundings

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
QUICK = Limits(connect=2.0, silence=10.0, total=10.0, attempts=3)
KEY = AzureAccountKey("c2VjcmV0IGtleSB3aXRoIHNvbWUgYnl0ZXM=")
SAS = AzureSasToken("sv=2021-12-02&sr=c&sp=racwdl&se=2027-01-01T00%3A00%3A00Z&sig=s%2Becret%3D")
CONTENT = b"0123456789"
FINGERPRINT = f"md5-{md5(CONTENT, usedforsecurity=False).hexdigest()}-10"


@asynccontextmanager
async def serving(
    *script: Answer, credentials: AzureAccountKey | AzureSasToken = KEY, own: Credentials | None = None
) -> AsyncIterator[tuple[AzureStorage, StubServer, Slept]]:
    slept = Slept()
    async with StubServer(script) as stub:
        storage = AzureStorage(
            AzureSource("acct", "media", f"{stub.endpoint}/acct", credentials=credentials),
            LOCAL,
            Surroundings(QUICK, clock=lambda: NOW, jitter=lambda: 0.0, sleep=slept, make_mark=lambda: "mark"),
            credentials=own,
        )
        yield storage, stub, slept
        await storage.close()


def digest_of(data: bytes) -> str:
    return base64.b64encode(md5(data, usedforsecurity=False).digest()).decode()


def blob(status: int = 200, *, etag: str = '"0x1"', data: bytes = b"0123456789", **more: str) -> Answer:
    headers = {
        "ETag": etag,
        "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-request-id": "1",
        "Content-MD5": digest_of(data),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return answer(status, b"", headers, length=len(data) if status == 200 else 0)


def copying(status: str, *, copy: str = "c1", code: int = 200, etag: str = '"0x2"') -> Answer:
    return blob(code, etag=etag, x_ms_copy_status=status, x_ms_copy_id=copy)


def refusal(status: int, code: str, **headers: str) -> Answer:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(status, body, {"x-ms-error-code": code, "x-ms-request-id": "1", **fields})


def lines(stub: StubServer) -> list[str]:
    return [f"{seen.method} {seen.target}" for seen in stub.seen]


def part(data: bytes, start: int, size: int, **headers: str) -> Answer:
    fields = {"Content-Range": f"bytes {start}-{start + len(data) - 1}/{size}", "ETag": '"0x1"'}
    return answer(206, data, {**fields, **{name.replace("_", "-"): value for name, value in headers.items()}})
