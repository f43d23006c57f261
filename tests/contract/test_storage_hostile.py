"""Hostile strings as prefixes and keys, on every server: each is taken as the literal text that it is, or refused in plain words.

Beside the bucket that they are used on lie a secret in it and one in another bucket, which must stay unread and unchanged.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Awaitable

import pytest

from tests.contract.storage_s3 import S3Server
from tests.contract.storage_servers import Bucket
from tests.contract.storage_suite import objects_of, stream
from tests.support.hostile_strings import HOSTILE
from videovector_operator.errors import Invalid, NotFound, StorageError, Unavailable
from videovector_operator.storage.port import Storage

pytestmark = pytest.mark.contract

SECRET = b"the secret of another"
SECONDS = 30.0


@pytest.fixture
def neighbour(bucket: Bucket) -> Bucket:
    beside = bucket.beside()
    for place in (bucket, beside):
        place.put("secret.txt", SECRET)
        place.put("exports/inside.txt", b"inside")
    return beside


async def attempt(call: Awaitable[object]) -> object:
    """What came of it in good time, or our error; nothing else is raised."""
    try:
        async with asyncio.timeout(SECONDS):
            return await call
    except StorageError as error:
        return error


def is_clear(error: StorageError) -> bool:
    """It says something, in a bearable length, without a control character in it; and not that it might go better next time."""
    return error.message.isprintable() and 20 < len(error.message) < 4000 and not isinstance(error, Unavailable)


def is_nowhere(found: object) -> bool:
    return isinstance(found, NotFound | Invalid) and is_clear(found)


async def lists_literally(storage: Storage, text: str) -> bool:
    """Nothing begins with the text (but with the empty one); behind it come whole objects, as behind any other."""
    for recursive in (True, False):
        found = await attempt(objects_of(storage, text, recursive=recursive))
        is_refused = isinstance(found, Invalid) and is_clear(found)
        if not is_refused and (not isinstance(found, list) or (found and text)):
            return False
    behind = await attempt(objects_of(storage, start_after=text))
    return (isinstance(behind, Invalid) and is_clear(behind)) or isinstance(behind, list)


async def leads_nowhere(storage: Storage, key: str) -> bool:
    found = [
        await attempt(storage.stat(key)),
        await attempt(storage.read_range(key, 0, 100)),
        await attempt(storage.copy(key, "copied")),
    ]
    deleted = await attempt(storage.delete(key))
    return all(is_nowhere(each) for each in found) and (deleted is None or is_nowhere(deleted))


async def writes_literally(bucket: Bucket, storage: Storage, key: str) -> bool:
    """Written under this very key, read back, listed and deleted again; or refused without a trace."""
    before = sorted(bucket.keys())
    written = await attempt(storage.write(key, stream(b"mine")))
    if isinstance(written, StorageError):
        return isinstance(written, Invalid) and is_clear(written) and sorted(bucket.keys()) == before
    if sorted(bucket.keys()) != sorted([*before, key]) or await attempt(storage.read_range(key, 0, 9)) != b"mine":
        return False
    listed = await attempt(objects_of(storage, key))
    await storage.delete(key)
    return isinstance(listed, list) and [entry.key for entry in listed] == [key] and sorted(bucket.keys()) == before


def is_path(key: str) -> bool:
    """Whether a file system would take it for another name, or for none."""
    return posixpath.normpath(f"bucket/{key}") != f"bucket/{key}"


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_string_is_taken_as_it_stands_or_refused(
    bucket: Bucket, neighbour: Bucket, storage: Storage, name: str
) -> None:
    text = HOSTILE[name]
    checks = {
        "lists": await lists_literally(storage, text),
        "leads nowhere": await leads_nowhere(storage, text),
        "writes": await writes_literally(bucket, storage, text),
    }
    assert neighbour.get("secret.txt")[0] == SECRET
    assert sorted(neighbour.keys()) == ["exports/inside.txt", "secret.txt"]
    if name in bucket.gaps.odd_texts:
        assert not all(checks.values())
    elif not (bucket.gaps.resolves_paths and is_path(text)):
        assert all(checks.values()), checks
        assert bucket.get("secret.txt")[0] == SECRET


async def test_a_server_of_files_resolves_paths_within_a_bucket(versitygw: S3Server) -> None:
    """The gap, asserted: which is why keys of exports are never built of unchecked text."""
    bucket = versitygw.new_bucket()
    bucket.put("secret.txt", SECRET)
    storage = bucket.open()
    assert await storage.read_range("exports/../secret.txt", 0, 100) == SECRET
    for key in ("../secret.txt", f"../{bucket.name}/secret.txt", "exports/../../secret.txt"):
        assert is_nowhere(await attempt(storage.read_range(key, 0, 100)))
    await storage.close()
