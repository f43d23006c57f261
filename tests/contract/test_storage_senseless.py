"""Answers that make no sense: numbers without end, times before all times, fields of another kind.

Whatever a server says, a call ends with a result or with an error of ours that holds nothing of what the server said.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from tests.contract.storage_suite import MIB, blocks, objects_of, stream
from tests.support.local_storage import LOCAL
from tests.support.sleeping import Slept
from tests.support.stub_server import Answer, StubServer, answer
from tools.testservers.gcs_accounts import make_account
from videovector_operator.core.sources import AzureAccountKey, GcsServiceAccount
from videovector_operator.errors import Invalid, InvalidCredentials, StorageError, Unavailable
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.exchange import Limits
from videovector_operator.storage.gcs import GcsStorage
from videovector_operator.storage.port import AzureSource, GcsSource, S3Source, StaticCredentials, Storage
from videovector_operator.storage.s3 import S3Storage
from videovector_operator.storage.surroundings import Surroundings

pytestmark = pytest.mark.contract

NOW = datetime(2026, 5, 4, tzinfo=UTC)
ENDLESS = "9" * 5000
BEHIND_ALL_TIMES = "Fri, 31 Dec 9999 23:59:59 -2300"
BEFORE_ALL_TIMES = "0001-01-01T00:00:00+23:00"
QUICK = Limits(connect=2.0, silence=1.0, total=10.0, attempts=2)
ACCOUNT = make_account("senseless", "project")[0]
MD5 = "AAAAAAAAAAAAAAAAAAAAAA=="
PINNED = f"md5-{'0' * 32}-10"


def open_provider(provider: str, endpoint: str) -> Storage:
    around = Surroundings(QUICK, clock=lambda: NOW, sleep=Slept())
    match provider:
        case "s3":
            keys = StaticCredentials("the-access-key", "the-secret-key")
            return S3Storage(S3Source("media", "eu-central-1", endpoint, credentials=keys), LOCAL, around)
        case "gcs":
            key = GcsServiceAccount(ACCOUNT.email, ACCOUNT.key_id, ACCOUNT.private_key)
            return GcsStorage(GcsSource("media", "payer", endpoint, key), LOCAL, around)
        case _:
            account = AzureAccountKey("c2VjcmV0IGtleSB3aXRoIHNvbWUgYnl0ZXM=")
            return AzureStorage(AzureSource("acct", "media", f"{endpoint}/acct", credentials=account), LOCAL, around)


@asynccontextmanager
async def serving(provider: str, *script: Answer) -> AsyncIterator[Storage]:
    async with StubServer(script) as stub:
        storage = open_provider(provider, stub.endpoint)
        yield storage
        await storage.close()


def part(said: str, **headers: str) -> Answer:
    fields = {"ETag": '"e"', **{name.replace("_", "-"): value for name, value in headers.items()}}
    return answer(206, b"0", {"Content-Range": said, **fields})


def head(**headers: str) -> Answer:
    fields = {"ETag": '"e"', "Last-Modified": "Mon, 04 May 2026 03:02:01 GMT", **headers}
    return answer(200, b"", {name.replace("_", "-"): value for name, value in fields.items()}, length=1)


def described(**changes: object) -> dict[str, object]:
    plain = {"name": "a", "size": "1", "generation": "1700000000000001", "timeCreated": "2026-01-02T03:04:05Z"}
    return {**plain, **changes}


def sent(content: object) -> Answer:
    """JSON as Python writes it: with Infinity, which its reader takes."""
    return answer(200, json.dumps(content).encode())


def listed(**changes: object) -> Answer:
    return sent({"kind": "storage#objects", "items": [described(**changes)]})


def refused(status: int, code: str, date: str) -> Answer:
    xml = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return answer(status, xml, {"Date": date, "x-ms-error-code": code, "x-ms-request-id": "1"})


Call = Callable[[Storage], Awaitable[object]]
READ: Call = lambda storage: storage.read_range("a", 0, 1)  # noqa: E731 - a table of calls
STAT: Call = lambda storage: storage.stat("a")  # noqa: E731
LIST: Call = objects_of
COPY: Call = lambda storage: storage.copy("b", "a")  # noqa: E731
WRITE: Call = lambda storage: storage.write("a", blocks(17 * MIB))  # noqa: E731
READ_PINNED: Call = lambda storage: storage.read_range("a", 0, 1, fingerprint=PINNED)  # noqa: E731
BEGUN = answer(200, headers={"Location": "/x?upload_id=session"})

SENSELESS: dict[str, tuple[str, Call, list[Answer], type[StorageError]]] = {
    "s3: a range without end": ("s3", READ, [part(f"bytes 0-0/{ENDLESS}")], Invalid),
    "s3: a range that ends nowhere": ("s3", READ, [part(f"bytes 0-{ENDLESS}/*")], Invalid),
    "s3: a time behind all times": ("s3", STAT, [head(Last_Modified=BEHIND_ALL_TIMES), part("bytes 0-0/1")], Invalid),
    "s3: a clock behind all times": ("s3", READ, [refused(403, "RequestTimeTooSkewed", BEHIND_ALL_TIMES)], Unavailable),
    "s3: a listing that neither ends nor goes on": (
        "s3",
        LIST,
        [answer(200, b"<ListBucketResult><IsTruncated>trte</IsTruncated></ListBucketResult>")],
        Invalid,
    ),
    "gcs: a range without end": ("gcs", READ, [part(f"bytes 0-0/{ENDLESS}")], Invalid),
    "gcs: a time before all times": ("gcs", STAT, [sent(described(timeCreated=BEFORE_ALL_TIMES))], Invalid),
    "gcs: the same in a listing": ("gcs", LIST, [listed(timeCreated=BEFORE_ALL_TIMES)], Invalid),
    "gcs: a size without end": ("gcs", LIST, [listed(size=float("inf"))], Invalid),
    "gcs: another object than was asked for": ("gcs", STAT, [sent(described(name="b"))], Invalid),
    "gcs: a size that is no number": ("gcs", STAT, [sent(described(size=float("nan")))], Invalid),
    "gcs: a size of too many digits": ("gcs", STAT, [sent(described(size=ENDLESS))], Invalid),
    "gcs: a copy that goes on without end": (
        "gcs",
        COPY,
        [sent({"done": False, "rewriteToken": "t", "totalBytesRewritten": float("inf")})],
        Invalid,
    ),
    "gcs: a session that has endless bytes": (
        "gcs",
        WRITE,
        [BEGUN, answer(308, headers={"Range": f"bytes=0-{ENDLESS}"})],
        Unavailable,
    ),
    "gcs: a clock behind all times": (
        "gcs",
        READ,
        [answer(401, b'{"error": {"message": "no", "errors": []}}', {"Date": BEHIND_ALL_TIMES})],
        InvalidCredentials,
    ),
    "azure: a range without end": ("azure", READ, [part(f"bytes 0-0/{ENDLESS}")], Invalid),
    "azure: the same of a pinned blob": (
        "azure",
        READ_PINNED,
        [part(f"bytes 0-0/{ENDLESS}", x_ms_blob_content_md5=MD5)],
        Invalid,
    ),
    "azure: a time of too many digits": ("azure", STAT, [head(Last_Modified=f"Mon, 04 May {ENDLESS}")], Invalid),
    "azure: a clock behind all times": (
        "azure",
        READ,
        [refused(403, "AuthenticationFailed", BEHIND_ALL_TIMES)],
        InvalidCredentials,
    ),
}


@pytest.mark.parametrize("case", SENSELESS)
async def test_what_makes_no_sense_is_an_error_of_ours(case: str) -> None:
    provider, call, script, kind = SENSELESS[case]
    async with serving(provider, *script) as storage:
        with pytest.raises(kind) as failed:
            await call(storage)
    assert type(failed.value) is kind
    assert len(failed.value.message) < 500
    words = re.sub(r"127\.0\.0\.1:\d+", "", failed.value.message)
    assert "999" not in words
    assert "0001" not in words


async def test_a_time_of_writing_that_is_none_is_ours() -> None:
    async with serving("s3", answer(200, b"", {"ETag": '"e"', "Date": BEHIND_ALL_TIMES})) as storage:
        assert (await storage.write("a", stream(b"x"))).modified_at == NOW
