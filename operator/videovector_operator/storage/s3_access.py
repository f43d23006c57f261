"""The connection test: one real request for each permission, and what the answers mean for people."""

from __future__ import annotations

import hashlib
from typing import Protocol

from videovector_operator.core.names import digest
from videovector_operator.errors import AccessDenied, NotFound, StorageError
from videovector_operator.storage.port import AccessReport, Action, ObjectInfo, Permission, Verdict
from videovector_operator.storage.s3_http import S3Http
from videovector_operator.storage.s3_list import list_pages
from videovector_operator.storage.s3_request import Reply, Request
from videovector_operator.storage.s3_sign import encode_key

_TRIES = 2
"""Few: whoever tests a connection comes back with a backoff of its own, and people wait for the verdict."""
_CONTENT = b"VideoVector write test; may be deleted.\n"
_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


class ReadRange(Protocol):
    """`Storage.read_range`."""

    async def __call__(self, key: str, start: int, length: int, *, fingerprint: str | None = None) -> bytes:
        """Read part of an object."""
        ...


async def test_access(
    http: S3Http, read_range: ReadRange, *, write_prefix: str | None, sample_size: int
) -> AccessReport:
    """Try list, read and, with ``write_prefix``, write; see the port."""
    sample, listing = await _try_list(http, sample_size)
    permissions = [listing, await _try_read(read_range, sample, listing)]
    if write_prefix is not None:
        permissions.append(await _try_write(http, write_prefix))
    return AccessReport(tuple(permissions), sample)


async def _try_list(http: S3Http, sample_size: int) -> tuple[tuple[ObjectInfo, ...], Permission]:
    pages = list_pages(http, "", recursive=True, start_after="", page_size=sample_size, attempts=_TRIES)
    try:
        async for page in pages:
            return page.objects[:sample_size], Permission(Action.LIST, Verdict.ALLOWED)
    except AccessDenied as error:
        return (), _denied(Action.LIST, error, "allow s3:ListBucket on the bucket")
    return (), Permission(Action.LIST, Verdict.ALLOWED)


async def _try_read(read_range: ReadRange, sample: tuple[ObjectInfo, ...], listing: Permission) -> Permission:
    """Read one byte of the first object that has any; an empty one will do when there is no other."""
    readable = [entry for entry in sample if entry.storage_class not in _ARCHIVED]
    for entry in sorted(readable, key=lambda entry: entry.size == 0):
        try:
            await read_range(entry.key, 0, 1)
        except AccessDenied as error:
            if error.code == "InvalidObjectState":
                continue
            return _denied(Action.READ, error, "allow s3:GetObject on the bucket's objects")
        except NotFound:
            continue
        return Permission(Action.READ, Verdict.ALLOWED)
    if listing.verdict is Verdict.DENIED:
        why = "No object could be read, because listing is denied and so no key is known"
    elif sample:
        why = "No object could be read: the first ones are archived or were deleted meanwhile"
    else:
        why = "The bucket holds no object to read yet"
    return Permission(Action.READ, Verdict.UNKNOWN, message=why)


async def _try_write(http: S3Http, prefix: str) -> Permission:
    """Put a tiny object and delete it; its name is always the same, so that a broken-off test leaves at most one."""
    key = f"{prefix}.videovector-write-test-{digest('write-test', http.address.bucket, prefix)}"
    put = Request(
        "PUT",
        f"write object {key!r}",
        path=f"/{encode_key(key)}",
        body=_CONTENT,
        body_sha256=hashlib.sha256(_CONTENT).hexdigest(),
        attempts=_TRIES,
    )
    try:
        await http.send(put, _ignore)
    except AccessDenied as error:
        return _denied(Action.WRITE, error, f"allow s3:PutObject below {prefix!r}")
    delete = Request("DELETE", f"delete object {key!r}", path=put.path, attempts=_TRIES, accepted=(200, 202, 204))
    try:
        await http.send(delete, _ignore)
    except StorageError as error:
        left = f"Writing works; the test object {key!r} could not be deleted ({error.code or 'no answer'}) and was left there"
        return Permission(Action.WRITE, Verdict.ALLOWED, error.code, left)
    return Permission(Action.WRITE, Verdict.ALLOWED)


def _ignore(reply: Reply) -> None:
    """Take any accepted reply."""
    del reply


def _denied(action: Action, error: AccessDenied, remedy: str) -> Permission:
    return Permission(action, Verdict.DENIED, error.code, f"{error.message}: {remedy}")
