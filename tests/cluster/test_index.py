"""Indexes against a real API server: status, and what their deletion leaves behind."""

from __future__ import annotations

import time

import psycopg

from tests.support.operator_process import OperatorProcess
from tests.support.world import StateRecorder, World, is_ready


def _rows(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        return len(connection.execute(f"SELECT 1 FROM {table}").fetchall())


def _wait_gone(world: World, name: str) -> None:
    deadline = time.monotonic() + 60
    while world.get("Index", name) is not None:
        assert time.monotonic() < deadline, "the Index is still there"
        time.sleep(0.1)


def test_an_index_is_ready_and_known_to_the_catalog(world: World, operator: OperatorProcess, dsn: str) -> None:
    with StateRecorder(world) as recorder:
        world.create("Index", "films", {"displayName": "Films"})
        body = world.wait("Index", "films", is_ready)

    assert body["status"]["displayName"] == "Films"
    assert body["status"]["media"]["total"] == 0
    assert "finalizers" not in body["metadata"]
    assert _rows(dsn, "indexes") == 1
    assert recorder.violations() == []


def test_retain_keeps_the_catalog_and_a_new_object_finds_it(world: World, operator: OperatorProcess, dsn: str) -> None:
    world.create("Index", "films", {})
    first = world.wait("Index", "films", is_ready)["status"]["id"]
    world.api.delete(world.path("Index", "films"))
    _wait_gone(world, "films")

    assert _rows(dsn, "indexes") == 1
    world.create("Index", "films", {})
    assert world.wait("Index", "films", is_ready)["status"]["id"] == first


def test_delete_empties_the_catalog_before_the_object_goes(world: World, operator: OperatorProcess, dsn: str) -> None:
    world.create("Index", "films", {"deletionPolicy": "Delete"})
    body = world.wait("Index", "films", is_ready)
    assert body["metadata"]["finalizers"] == ["videovector.io/catalog-cleanup"]

    world.api.delete(world.path("Index", "films"))
    _wait_gone(world, "films")

    assert _rows(dsn, "indexes") == 0


def test_back_to_retain_takes_the_finalizer_off(world: World, operator: OperatorProcess) -> None:
    world.create("Index", "films", {"deletionPolicy": "Delete"})
    world.wait("Index", "films", lambda b: bool(b["metadata"].get("finalizers")))
    world.patch("Index", "films", {"spec": {"deletionPolicy": "Retain"}})
    world.wait("Index", "films", lambda b: not b["metadata"].get("finalizers") and is_ready(b))
