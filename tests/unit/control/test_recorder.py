from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from tests.support.samples import FrozenClock, index_manifest
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.control import recorder as module
from videovector_operator.control.recorder import EventRecorder
from videovector_operator.core.keys import ObjectKey
from videovector_operator.core.notices import Notice
from videovector_operator.errors import ClusterError

Json = dict[str, Any]
FILMS = ObjectKey("Index", "media", "films")
META: Json = {"uid": "u1", "resourceVersion": "7", "name": "films"}
DENIED = Notice("Warning", Reason.ACCESS_DENIED, "denied")


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()


@pytest.fixture
def fake() -> FakeCluster:
    cluster = FakeCluster()
    cluster.apply(index_manifest())
    return cluster


def recorder_over(fake: FakeCluster, clock: FrozenClock | None = None) -> EventRecorder:
    return EventRecorder(fake, clock=clock or FrozenClock(), instance="pod-1")


async def post(recorder: EventRecorder, *notices: Notice, meta: Json | None = None, key: ObjectKey = FILMS) -> None:
    """Record, and let the recorder work until it has nothing left."""
    for notice in notices:
        recorder.record(key, meta or META, notice)
    task = asyncio.create_task(recorder.run())
    for _ in range(50 + 20 * len(notices)):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_event_is_about_the_object(fake: FakeCluster) -> None:
    await post(recorder_over(fake), DENIED)
    (event,) = fake.find_all("Event")
    assert event["involvedObject"] == {
        "apiVersion": "videovector.io/v1alpha1",
        "kind": "Index",
        "namespace": "media",
        "name": "films",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"], event["message"], event["count"]) == (
        "Warning",
        "AccessDenied",
        "denied",
        1,
    )
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-05-01T12:00:00Z"
    assert event["metadata"]["name"].startswith("films.")


async def test_the_same_again_is_counted_up(fake: FakeCluster) -> None:
    clock = FrozenClock()
    recorder = recorder_over(fake, clock)
    await post(recorder, DENIED)
    clock.pass_seconds(60)
    await post(recorder, Notice("Warning", Reason.ACCESS_DENIED, "denied again"), DENIED)
    (event,) = fake.find_all("Event")
    assert (event["count"], event["message"]) == (3, "denied")
    assert (event["firstTimestamp"], event["lastTimestamp"]) == ("2026-05-01T12:00:00Z", "2026-05-01T12:01:00Z")


async def test_other_reasons_types_and_namesakes_have_events_of_their_own(fake: FakeCluster) -> None:
    recorder = recorder_over(fake)
    await post(recorder, DENIED, Notice("Warning", Reason.STORAGE_UNAVAILABLE, "down"))
    await post(recorder, Notice("Normal", Reason.ACCESS_DENIED, "denied"))
    await post(recorder, DENIED, meta={**META, "uid": "u2"})
    assert len(fake.find_all("Event")) == 4


async def test_after_a_restart_the_event_is_found_and_counted_up(fake: FakeCluster) -> None:
    await post(recorder_over(fake), DENIED, DENIED)
    await post(recorder_over(fake), DENIED)
    (event,) = fake.find_all("Event")
    assert event["count"] == 3


async def test_an_event_that_has_expired_is_made_again(fake: FakeCluster) -> None:
    recorder = recorder_over(fake)
    await post(recorder, DENIED)
    (event,) = fake.find_all("Event")
    fake.delete(ObjectKey("Event", "media", event["metadata"]["name"]))
    await post(recorder, DENIED, DENIED)
    (event,) = fake.find_all("Event")
    assert event["count"] == 2


async def test_an_api_that_refuses_costs_that_event_alone(fake: FakeCluster) -> None:
    fake.fail("create", ClusterError("down"), kind="Event")
    await post(recorder_over(fake), DENIED, Notice("Warning", Reason.STORAGE_UNAVAILABLE, "down"))
    assert [event["reason"] for event in fake.find_all("Event")] == ["StorageUnavailable"]


async def test_what_is_too_much_is_dropped_and_counted(fake: FakeCluster) -> None:
    recorder = recorder_over(fake)
    for _ in range(module._QUEUED + 5):
        recorder.record(FILMS, META, DENIED)
    assert recorder.dropped == 5


async def test_long_messages_and_names_fit(fake: FakeCluster) -> None:
    await post(recorder_over(fake), Notice("Warning", Reason.ACCESS_DENIED, "x" * 5000))
    await post(recorder_over(fake), DENIED, key=ObjectKey("Index", "media", "n" * 253))
    events = fake.find_all("Event")
    assert max(len(event["message"]) for event in events) == 1024
    assert max(len(event["metadata"]["name"]) for event in events) <= 253


async def test_it_remembers_no_more_than_it_says(fake: FakeCluster) -> None:
    recorder = recorder_over(fake)
    for number in range(module._REMEMBERED + 10):
        recorder._remember(ObjectKey("Event", "media", str(number)), 1)
    assert len(recorder._counts) == module._REMEMBERED
