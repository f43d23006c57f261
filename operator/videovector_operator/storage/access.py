"""The connection test, the same for every provider: one real request for each permission, and what the answers mean for people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from videovector_operator.core.names import digest
from videovector_operator.errors import AccessDenied, NotFound, StorageError, Unavailable
from videovector_operator.storage.port import AccessReport, Action, ObjectInfo, Permission, Storage, Verdict

_CONTENT = b"VideoVector write test; may be deleted.\n"
_REMOVAL_SECONDS = 2.0
"""For a second try to remove the test object, when the first was broken off: less than the operator takes to stop."""
_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE", "Archive")
_READABLE_IN_VAIN = ("InvalidObjectState", "BlobArchived", "BlobBeingRehydrated")
"""Codes of objects that must be restored before they can be read: they say nothing about the permission."""


async def probe_access(
    storage: Storage, remedies: Mapping[Action, str], *, write_prefix: str | None, sample_size: int
) -> AccessReport:
    """Try list, read and, with ``write_prefix``, write and delete; see `Storage.test_access`.

    ``remedies`` say for each action what to allow, in the provider's words.
    """
    sample, listing = await _try_list(storage, remedies, sample_size)
    permissions = [listing, await _try_read(storage, remedies, sample, listing)]
    if write_prefix is not None:
        permissions.extend(await _try_write(storage, remedies, write_prefix))
    return AccessReport(tuple(permissions), sample)


async def _try_list(
    storage: Storage, remedies: Mapping[Action, str], sample_size: int
) -> tuple[tuple[ObjectInfo, ...], Permission]:
    try:
        async for page in storage.list_pages("", page_size=sample_size):
            return page.objects[:sample_size], Permission(Action.LIST, Verdict.ALLOWED)
    except AccessDenied as error:
        return (), _denied(Action.LIST, error, remedies)
    return (), Permission(Action.LIST, Verdict.ALLOWED)


async def _try_read(
    storage: Storage, remedies: Mapping[Action, str], sample: tuple[ObjectInfo, ...], listing: Permission
) -> Permission:
    """Read one byte of the first object that has any; an empty one will do when there is no other."""
    readable = [entry for entry in sample if entry.storage_class not in _ARCHIVED]
    for entry in sorted(readable, key=lambda entry: entry.size == 0):
        try:
            await storage.read_range(entry.key, 0, 1)
        except AccessDenied as error:
            if error.code in _READABLE_IN_VAIN:
                continue
            return _denied(Action.READ, error, remedies)
        except NotFound:
            continue
        return Permission(Action.READ, Verdict.ALLOWED)
    if listing.verdict is Verdict.DENIED:
        why = "No object could be read, because listing is denied and so no key is known"
    elif sample:
        why = "No object could be read: the first ones are archived or were deleted meanwhile"
    else:
        why = "There is no object to read yet"
    return Permission(Action.READ, Verdict.UNKNOWN, message=why)


async def _try_write(storage: Storage, remedies: Mapping[Action, str], prefix: str) -> tuple[Permission, Permission]:
    """Put a tiny object and delete it; its name is always the same, so that a broken-off test leaves at most one."""
    key = f"{prefix}.videovector-write-test-{digest('write-test', prefix)}"
    try:
        await _write(storage, key)
    except AccessDenied as error:
        why = "Nothing was written that could be deleted"
        return _denied(Action.WRITE, error, remedies), Permission(Action.DELETE, Verdict.UNKNOWN, message=why)
    return Permission(Action.WRITE, Verdict.ALLOWED), await _try_delete(storage, remedies, key)


async def _write(storage: Storage, key: str) -> None:
    """A write without an answer may have been one: then too the object is removed."""
    try:
        await storage.write(key, _content(), content_type="text/plain")
    except Unavailable as error:
        if await _remove(storage, key):
            raise
        raise Unavailable(f"{error.message}; the test object {key!r} may be left there", error.code) from error
    except asyncio.CancelledError:
        await _remove(storage, key)
        raise


async def _remove(storage: Storage, key: str) -> bool:
    """Whether nothing is there any more."""
    try:
        async with asyncio.timeout(_REMOVAL_SECONDS):
            await storage.delete(key)
    except (StorageError, TimeoutError):
        return False
    return True


async def _try_delete(storage: Storage, remedies: Mapping[Action, str], key: str) -> Permission:
    left = f"the test object {key!r} is left there"
    try:
        await storage.delete(key)
    except AccessDenied as error:
        denied = _denied(Action.DELETE, error, remedies)
        return Permission(Action.DELETE, denied.verdict, denied.code, f"{denied.message}; {left}")
    except StorageError as error:
        return Permission(
            Action.DELETE, Verdict.UNKNOWN, error.code, f"Deleting could not be tried, {left}: {error.message}"
        )
    except asyncio.CancelledError:
        await _remove(storage, key)
        raise
    return Permission(Action.DELETE, Verdict.ALLOWED)


async def _content() -> AsyncIterator[bytes]:
    yield _CONTENT


def _denied(action: Action, error: AccessDenied, remedies: Mapping[Action, str]) -> Permission:
    return Permission(action, Verdict.DENIED, error.code, f"{error.message}: {remedies[action]}")
