"""Ids and names are promises: these values must never change, or what they name is orphaned."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videovector_operator.core import names

UID = "0b9ff3e2-1111-4222-8333-444455556666"
GOLDEN = {
    "a Connector": (names.connector_id("media", "footage"), "conn_6yve5gl2y2mffh2ns2en"),
    "an Index": (names.index_id("media", "films"), "idx_njz3a4olbkz7uq52nvdw"),
    "a run": (names.import_run_id(UID), "job_2axiqukreqek6bongyhb"),
    "a media item": (names.media_id("idx_x", "s3://footage", "a/b.mp4", "etag"), "vid_em7pjor7bqp3jbgayeyvigkld5"),
    "a worker Job": (names.import_job_name(UID, 1), "vv-import-2axiqukreqek6bon-1"),
    "its Secret": (names.catalog_secret_name("vv-import-2axiqukreqek6bon-1"), "vv-import-2axiqukreqek6bon-1-catalog"),
    "the finalizer": (names.CATALOG_CLEANUP, "videovector.io/catalog-cleanup"),
    "the pause annotation": (names.PAUSED, "videovector.io/paused"),
    "the request annotation": (names.REQUESTED_AT, "videovector.io/requestedAt"),
    "the digest of nothing": (names.digest(), "4oymiquy7qobjgx36tej"),
    "the digest of parts": (names.digest("a", "bc"), "h6x2dtzpdgt4ceu35mqm"),
    "a bucket on AWS": (names.s3_location("b", None), "s3://b"),
    "a bucket elsewhere": (names.s3_location("b", "https://minio.example.com:9000/"), "s3://b@minio.example.com:9000"),
    "an endpoint with a path": (names.s3_location("b", "http://host/s3/"), "s3://b@host/s3"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_ids_never_change(name: str) -> None:
    value, golden = GOLDEN[name]
    assert value == golden


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_other_parts_have_another_digest(one: list[str], other: list[str]) -> None:
    assert (names.digest(*one) == names.digest(*other)) == (one == other)


@given(
    st.lists(st.text(alphabet="ab", max_size=3), max_size=3), st.lists(st.text(alphabet="ab", max_size=3), max_size=3)
)
def test_parts_are_not_just_joined(one: list[str], other: list[str]) -> None:
    assert (names.digest(*one) == names.digest(*other)) == (one == other)


def test_keys_that_are_no_valid_unicode_have_a_digest() -> None:
    assert names.digest("\udc80") != names.digest("\udc81")


@given(st.uuids(), st.integers(1, 99))
def test_child_names_are_dns_labels_that_leave_room_for_pod_suffixes(uid: uuid.UUID, attempt: int) -> None:
    name = names.import_job_name(str(uid), attempt)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= 63 - len("-xxxxx")
    assert len(names.catalog_secret_name(name)) <= 63


@given(st.uuids())
def test_ids_fit_the_status_and_a_label(uid: uuid.UUID) -> None:
    assert re.fullmatch(r"job_[a-z2-7]{20}", names.import_run_id(str(uid)))
    assert re.fullmatch(r"vid_[a-z2-7]{26}", names.media_id("i", "l", "p", str(uid)))
