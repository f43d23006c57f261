"""Hostile strings as prefixes and keys, on every server: each is taken as the literal text that it is, or refused in plain words.

Beside the bucket that they are used on lie a secret in it and one in another bucket, which must stay unread and unchanged.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass, field

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


def is_plain(error: StorageError) -> bool:
    """It says something, in a bearable length, without a control character in it."""
    return error.message.isprintable() and 20 < len(error.message) < 4000


def is_clear(error: StorageError) -> bool:
    """It is plain, and does not say that it might go better next time."""
    return is_plain(error) and not isinstance(error, Unavailable)


def is_nowhere(found: object) -> bool:
    return isinstance(found, NotFound | Invalid) and is_clear(found)


@dataclass
class Trial:
    """Steps with one text: the errors of each, and which did not end as they should."""

    bucket: Bucket
    storage: Storage
    text: str
    errors: dict[str, list[StorageError]] = field(default_factory=lambda: defaultdict(list))
    failed: set[str] = field(default_factory=set)

    async def attempt(self, step: str, call: Awaitable[object]) -> object:
        found = await attempt(call)
        if isinstance(found, StorageError):
            self.errors[step].append(found)
        return found

    def judge(self, step: str, *, good: bool) -> None:
        if not good:
            self.failed.add(step)

    def deviations(self) -> dict[str, type[StorageError] | None]:
        """By which error each failed step failed: the last one, for there is no other."""
        return {step: type(self.errors[step][-1]) if self.errors[step] else None for step in self.failed}

    async def list(self) -> None:
        """Nothing begins with the text (but with the empty one); behind it come whole objects, as behind any other."""
        for recursive in (True, False):
            found = await self.attempt("list", objects_of(self.storage, self.text, recursive=recursive))
            is_whole = isinstance(found, list) and not self.text
            self.judge("list", good=isinstance(found, Invalid) or found == [] or is_whole)
        behind = await self.attempt("list behind", objects_of(self.storage, start_after=self.text))
        self.judge("list behind", good=isinstance(behind, Invalid | list))

    async def lead(self) -> None:
        """It leads nowhere."""
        storage, key = self.storage, self.text
        calls = {
            "look up": storage.stat(key),
            "read": storage.read_range(key, 0, 100),
            "copy": storage.copy(key, "copied"),
        }
        for step, call in calls.items():
            self.judge(step, good=is_nowhere(await self.attempt(step, call)))
        deleted = await self.attempt("delete", storage.delete(key))
        self.judge("delete", good=deleted is None or is_nowhere(deleted))

    async def write(self) -> None:
        """Written under this very key, read back, listed and deleted again; or refused without a trace."""
        storage, key, before = self.storage, self.text, sorted(self.bucket.keys())
        written = await self.attempt("write", storage.write(key, stream(b"mine")))
        if isinstance(written, StorageError):
            self.judge("write", good=isinstance(written, Invalid) and sorted(self.bucket.keys()) == before)
            return
        self.judge("write", good=sorted(self.bucket.keys()) == sorted([*before, key]))
        self.judge("write", good=await self.attempt("write", storage.read_range(key, 0, 9)) == b"mine")
        if "write" in self.failed:
            return
        listed = await self.attempt("write", objects_of(storage, key))
        self.judge("write", good=isinstance(listed, list) and [entry.key for entry in listed] == [key])
        await storage.delete(key)
        self.judge("write", good=sorted(self.bucket.keys()) == before)


def is_path(key: str) -> bool:
    """Whether a file system would take it for another name, or for none."""
    return posixpath.normpath(f"bucket/{key}") != f"bucket/{key}"


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_string_is_taken_as_it_stands_or_refused(
    bucket: Bucket, neighbour: Bucket, storage: Storage, name: str
) -> None:
    text, odd = HOSTILE[name], bucket.gaps.odd_texts.get(name, {})
    trial = Trial(bucket, storage, text)
    await trial.list()
    await trial.lead()
    await trial.write()
    assert neighbour.get("secret.txt")[0] == SECRET
    assert sorted(neighbour.keys()) == ["exports/inside.txt", "secret.txt"]
    for step, errors in trial.errors.items():
        accepts = is_plain if odd.get(step) is Unavailable else is_clear
        assert all(accepts(error) for error in errors), (step, errors)
    if not (bucket.gaps.resolves_paths and is_path(text)):
        assert trial.deviations() == odd
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
