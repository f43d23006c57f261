"""What the fake offers beyond the contract: injected errors, refusals, and a record of calls."""

from __future__ import annotations

import pytest

from videovector_operator.errors import AccessDenied, NotFound, Throttled, Unavailable
from videovector_operator.storage.fake import FakeStorage
from videovector_operator.storage.port import Action, Storage, Verdict


async def test_errors_strike_once_each_on_their_key_or_call() -> None:
    storage: Storage = (fake := FakeStorage())
    fake.put("a", b"1")
    fake.put("b", b"2")
    fake.fail("read_range", Unavailable("down"), Throttled("slow"), key="a")
    assert await storage.read_range("b", 0, 1) == b"2"
    with pytest.raises(Unavailable):
        await storage.read_range("a", 0, 1)
    with pytest.raises(Throttled):
        await storage.read_range("a", 0, 1)
    assert await storage.read_range("a", 0, 1) == b"1"
    fake.fail("stat", Unavailable("down"))
    with pytest.raises(Unavailable):
        await storage.stat("b")
    assert fake.calls == [("read_range", "b"), *[("read_range", "a")] * 3, ("stat", "b")]
    assert fake.bytes_read == 2


async def test_lasting_errors_last_until_healed() -> None:
    fake = FakeStorage()
    fake.put("a", b"1")
    fake.fail_always("read_range", Unavailable("down"), key="a")
    fake.deny(Action.LIST)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await fake.read_range("a", 0, 1)
        with pytest.raises(AccessDenied):
            await anext(fake.list_pages())
    fake.heal()
    assert await fake.read_range("a", 0, 1) == b"1"


async def test_a_listing_may_fail_between_two_pages() -> None:
    fake = FakeStorage()
    for key in "abc":
        fake.put(key)
    pages = fake.list_pages(page_size=2)
    assert (await anext(pages)).last_key == "b"
    fake.fail("list_pages", Unavailable("down"))
    with pytest.raises(Unavailable):
        await anext(pages)


async def test_refusals_are_reported() -> None:
    fake = FakeStorage()
    fake.put("a", b"1")
    fake.deny(Action.READ, "AllAccessDisabled")
    report = await fake.test_access(write_prefix="x/")
    assert [(each.action, each.verdict) for each in report.permissions] == [
        (Action.LIST, Verdict.ALLOWED),
        (Action.READ, Verdict.DENIED),
        (Action.WRITE, Verdict.ALLOWED),
        (Action.DELETE, Verdict.ALLOWED),
    ]
    assert report.permissions[1].code == "AllAccessDisabled"
    fake.deny(Action.WRITE)
    fake.deny(Action.LIST)
    written = (await fake.test_access(write_prefix="x/")).permissions[2:]
    assert [each.verdict for each in written] == [Verdict.DENIED, Verdict.UNKNOWN]
    report = await fake.test_access()
    assert [each.verdict for each in report.permissions] == [Verdict.DENIED, Verdict.UNKNOWN]
    assert report.sample == ()


async def test_objects_may_vanish_change_and_lie() -> None:
    fake = FakeStorage()
    first = fake.put("a", b"1")
    assert fake.put("a", b"1").fingerprint == first.fingerprint != fake.put("a", b"2").fingerprint
    fake.resize("a", 1 << 40)
    assert (await fake.stat("a")).size == 1 << 40
    fake.remove("a")
    with pytest.raises(NotFound):
        await fake.stat("a")
