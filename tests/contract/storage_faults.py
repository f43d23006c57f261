"""Buckets reached through the fault proxy, with each provider's own words for refusing.

A new provider: a case in `open_at` and in `refuse`, and its server's name in PROVIDERS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.contract.storage_azure import AzureContainer
from tests.contract.storage_gcs import GcsBucket
from tests.contract.storage_s3 import S3Bucket
from tests.contract.storage_servers import Bucket
from tests.contract.storage_suite import MIB, blocks, objects_of, part_of_blocks, stream
from tests.support.local_storage import LOCAL
from tools.testservers.faultproxy import Effect, FaultProxy, refusing_azure, refusing_gcs, refusing_s3
from videovector_operator.storage.azure import AzureStorage
from videovector_operator.storage.exchange import Limits
from videovector_operator.storage.gcs import GcsStorage
from videovector_operator.storage.port import Storage, StorageOptions
from videovector_operator.storage.s3 import S3Storage
from videovector_operator.storage.surroundings import Surroundings

PROVIDERS = ["versitygw", "gcs", "azurite"]
"""A server for each: enough for what depends on ours alone."""
PROXIED = [*PROVIDERS, "moto"]
CHECKING = PROVIDERS
"""Those that look at the bytes which they are sent; that moto does not is asserted in `test_storage_s3_gaps`."""
QUICK = Limits(connect=5.0, silence=1.0, total=30.0, attempts=4, first_delay=0.01)
_S3 = {
    401: "InvalidAccessKeyId",
    403: "AccessDenied",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
_GCS = {401: "authError", 403: "forbidden", 412: "conditionNotMet", 429: "rateLimitExceeded"}
_AZURE = {
    401: "InvalidAuthenticationInfo",
    403: "AuthorizationPermissionMismatch",
    412: "ConditionNotMet",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServerBusy",
}

CONTENT = part_of_blocks(0, 3000)
LARGE = 17 * MIB


@contextmanager
def proxied(bucket: Bucket) -> Iterator[FaultProxy]:
    """Put the proxy before the bucket's server."""
    assert isinstance(bucket, S3Bucket | GcsBucket | AzureContainer)
    with FaultProxy(bucket.server.endpoint) as proxy:
        yield proxy


def open_at(
    bucket: Bucket, endpoint: str, limits: Limits = QUICK, options: StorageOptions = LOCAL, **changes: Any
) -> Storage:
    """Open the bucket at another endpoint than its server's own; ``changes`` are fields of the source."""
    match bucket:
        case S3Bucket():
            # A name of its own for each bucket would have to be in certificates and name services.
            source = bucket.source(endpoint=endpoint, force_path_style=True, **changes)
            return S3Storage(source, options, Surroundings(limits))
        case GcsBucket():
            return GcsStorage(bucket.source(endpoint=endpoint, **changes), options, Surroundings(limits))
        case AzureContainer():
            return AzureStorage(bucket.source(endpoint=endpoint, **changes), options, Surroundings(limits))
        case _:
            raise TypeError(bucket)


def refuse(
    bucket: Bucket, kind: int, headers: Mapping[str, str] | None = None, *, status: int = 0, forward: bool = False
) -> Effect:
    """An answer as the provider gives it for ``kind``; ``status`` 200 = an error all the same."""
    match bucket:
        case S3Bucket():
            return refusing_s3(status or kind, _S3[kind], headers, forward=forward)
        case GcsBucket():
            return refusing_gcs(status or kind, _GCS.get(kind, "backendError"), headers, forward=forward)
        case AzureContainer():
            return refusing_azure(status or kind, _AZURE[kind], headers, forward=forward)
        case _:
            raise TypeError(bucket)


@dataclass(frozen=True)
class Call:
    """One call of the port on a bucket that holds CONTENT as a.bin, and a check of what must have come of it.

    ``prepare`` puts there what else it needs, by a storage that nothing fails in.
    """

    make: Callable[[Storage], Awaitable[object]]
    is_done: Callable[[Bucket, object], bool]
    prepare: Callable[[Storage], Awaitable[object]] | None = None

    async def make_ready(self, bucket: Bucket) -> None:
        """Do what `prepare` says."""
        if self.prepare is not None:
            storage = bucket.open()
            await self.prepare(storage)
            await storage.close()


def _has(bucket: Bucket, key: str, data: bytes) -> bool:
    return bucket.get(key)[0] == data and "a.bin" in bucket.keys()  # noqa: SIM118 - no mapping


CALLS = {
    "list": Call(
        objects_of,
        lambda _, found: [entry.key for entry in found] == ["a.bin"],  # type: ignore[attr-defined]  # its own result
    ),
    "look up": Call(lambda storage: storage.stat("a.bin"), lambda _, info: info.size == 3000),  # type: ignore[attr-defined]  # its own result
    "read": Call(lambda storage: storage.read_range("a.bin", 5, 2000), lambda _, data: data == CONTENT[5:2005]),
    "write": Call(
        lambda storage: storage.write("new.bin", stream(b"new", b"er")),
        lambda bucket, _: _has(bucket, "new.bin", b"newer"),
    ),
    "create": Call(
        lambda storage: storage.write("new.bin", stream(b"new"), if_absent=True),
        lambda bucket, _: _has(bucket, "new.bin", b"new"),
    ),
    "write in parts": Call(
        lambda storage: storage.write("new.bin", blocks(LARGE)),
        lambda bucket, _: _has(bucket, "new.bin", part_of_blocks(0, LARGE)),
    ),
    "create in parts": Call(
        lambda storage: storage.write("new.bin", blocks(LARGE), if_absent=True),
        lambda bucket, _: _has(bucket, "new.bin", part_of_blocks(0, LARGE)),
    ),
    "copy": Call(lambda storage: storage.copy("a.bin", "new.bin"), lambda bucket, _: _has(bucket, "new.bin", CONTENT)),
    "create by copying": Call(
        lambda storage: storage.copy("a.bin", "new.bin", if_absent=True),
        lambda bucket, _: _has(bucket, "new.bin", CONTENT),
    ),
    "create by copying what is large": Call(
        lambda storage: storage.copy("big.bin", "new.bin", if_absent=True),
        lambda bucket, _: _has(bucket, "new.bin", part_of_blocks(0, LARGE)),
        lambda storage: storage.write("big.bin", blocks(LARGE)),
    ),
    "delete": Call(lambda storage: storage.delete("a.bin"), lambda bucket, _: bucket.keys() == []),
}

_LEFT_OUT = [name for name in CALLS if "parts" in name or "copying" in name]
PAIRS = [(server, name) for server in PROXIED for name in CALLS if server != "moto" or name not in _LEFT_OUT]
"""Each call on each server, but for those of many requests on moto: they would take it two minutes, and say nothing that the other
S3 server does not.
"""


def pairs_of(*names: str) -> list[tuple[str, str]]:
    """Those of certain calls alone."""
    return [(server, name) for server, name in PAIRS if name in names]
