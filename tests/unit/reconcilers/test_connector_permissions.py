"""Which permissions a Connector's scopes ask for, where they are tried, and what a refused one does to it."""

from __future__ import annotations

import pytest

from tests.support.house import House
from tests.unit.reconcilers.connector_house import FOOTAGE, build_connector_house
from videovector_operator.storage.port import Action


@pytest.fixture
def tested() -> House:
    return build_connector_house(has_secret=True)


async def test_a_refused_read_stalls_an_import_connector(tested: House) -> None:
    tested.prepare_storage = lambda storage: storage.deny(Action.READ)
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", "AccessDenied")
    assert [(p["action"], p["result"]) for p in tested.status(FOOTAGE)["permissions"]] == [
        ("list", "allowed"),
        ("read", "denied"),
    ]


async def test_write_and_delete_are_tried_below_the_base_path_when_exports_are_allowed(tested: House) -> None:
    tested.fake.edit(FOOTAGE, {"spec": {"scopes": ["import", "export"], "exportBasePath": "exports/team-a/"}})
    await tested.look(FOOTAGE)
    status = tested.status(FOOTAGE)
    assert [(p["action"], p["result"]) for p in status["permissions"]] == [
        (action, "allowed") for action in ("list", "read", "write", "delete")
    ]
    assert status["exportBasePath"] == "exports/team-a"
    assert tested.write_prefixes == ["exports/team-a/"]


@pytest.mark.parametrize(("scopes", "prefixes"), [(["import"], [None]), (["export"], [""])])
async def test_nothing_is_written_for_an_import_and_anywhere_without_a_base_path(
    tested: House, scopes: list[str], prefixes: list[str | None]
) -> None:
    tested.fake.edit(FOOTAGE, {"spec": {"scopes": scopes}})
    await tested.look(FOOTAGE)
    assert tested.write_prefixes == prefixes


@pytest.mark.parametrize("action", [Action.WRITE, Action.DELETE])
async def test_a_refused_write_or_delete_stalls_an_export_connector(tested: House, action: Action) -> None:
    tested.fake.edit(FOOTAGE, {"spec": {"scopes": ["import", "export"], "exportBasePath": "exports"}})
    tested.prepare_storage = lambda storage: storage.deny(action)
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", "AccessDenied")
    assert f"{action.value} is denied" in tested.message(FOOTAGE)
    assert "take export out of spec.scopes" in tested.message(FOOTAGE)
    found = {p["action"]: p for p in tested.status(FOOTAGE)["permissions"]}
    assert (found[action.value]["result"], found[action.value]["code"]) == ("denied", "AccessDenied")


async def test_a_base_path_that_could_be_left_is_stalled_before_anything_is_asked(tested: House) -> None:
    tested.fake.edit(FOOTAGE, {"spec": {"exportBasePath": "exports/\uff0e\uff0e/etc"}})
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", "InvalidSpec")
    assert tested.message(FOOTAGE).startswith("spec.exportBasePath has the segment")
    assert tested.storages == []
