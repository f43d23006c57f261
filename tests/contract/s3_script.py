"""A scripted S3 server, and ours on it: shows what no real one shows on demand, and what stood on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from tests.support.local_storage import LOCAL
from tests.support.sleeping import Slept
from tests.support.stub_server import Answer, StubServer, answer
from videovector_operator.storage.exchange import Limits
from videovector_operator.storage.port import S3Source, StaticCredentials
from videovector_operator.storage.s3 import S3Storage
from videovector_operator.storage.s3_credentials import AmbientCredentials
from videovector_operator.storage.surroundings import Surroundings

KEYS = StaticCredentials("the-access-key", "the-secret-key", "the-session-token")
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ETAG = {"ETag": '"e"'}
QUICK = Limits(connect=2.0, silence=10.0, total=60.0, attempts=4)


def failure(status: int, code: str, extra: str = "", headers: dict[str, str] | None = None) -> Answer:
    text = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no {KEYS.secret_access_key}</Message>{extra}</Error>"
    )
    return answer(status, text.encode(), headers)


def part(data: bytes, start: int = 0, size: int | None = None, **options: object) -> Answer:
    total = "*" if size is None else size
    headers = {**ETAG, "Content-Range": f"bytes {start}-{start + len(data) - 1}/{total}"}
    return answer(206, data, headers, **options)  # type: ignore[arg-type]  # options of answer()


def listing(*keys: str, token: str = "", rest: str = "") -> Answer:
    entries = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
        f'<ETag>"e"</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>'
        for key in keys
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    text = f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{entries}{more}{rest}</ListBucketResult>'
    return answer(200, text.encode())


@asynccontextmanager
async def serving(
    *script: Answer, limits: Limits = QUICK, credentials: AmbientCredentials | None = None, mark: str = "mark"
) -> AsyncIterator[tuple[S3Storage, StubServer, Slept]]:
    slept = Slept()
    async with StubServer(script) as stub:
        source = S3Source("media", "eu-central-1", stub.endpoint, credentials=KEYS)
        storage = S3Storage(
            source,
            LOCAL,
            Surroundings(limits, clock=lambda: NOW, jitter=lambda: 0.0, sleep=slept, make_mark=lambda: mark),
            credentials=credentials,
        )
        yield storage, stub, slept
        await storage.close()
