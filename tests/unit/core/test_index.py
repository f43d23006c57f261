from __future__ import annotations

import pytest

from tests.support.kstatus import check_status
from tests.support.samples import NOW, make_index
from videovector_operator.core import names
from videovector_operator.core.children import build_finalizers
from videovector_operator.core.index import has_finalizer, index_id_of, owes_cleanup, summarize_index
from videovector_operator.core.records import IndexSummary, KindTotals, RunState

FULL = IndexSummary(
    "idx_x",
    {"video": KindTotals(3, 300), "audio": KindTotals(2, 20), "image": KindTotals(1, 1)},
    last_run_name="first",
    last_run_id="job_x",
    last_run_state=RunState.COMPLETED,
    last_run_imported=6,
    last_run_completed_at=NOW,
)


def test_the_totals_are_projected() -> None:
    status = summarize_index(make_index(displayName="All films", generation=4), FULL, NOW)
    assert (status.media.total, status.size_bytes, status.display_name) == (6, 321, "All films")
    assert (status.media.video.count, status.media.audio.count, status.media.image.size_bytes) == (3, 2, 1)
    assert status.id == names.index_id("media", "films")
    assert status.last_import is not None
    assert (status.last_import.name, status.last_import.phase, status.last_import.imported) == ("first", "Completed", 6)
    assert status.conditions[0].message == "6 media"
    seen = {"metadata": {"generation": 4}, "status": status.model_dump(mode="json", by_alias=True)}
    assert check_status(seen, end_of_pass=True) == []


def test_an_empty_index_has_zeros_its_own_name_and_no_last_import() -> None:
    status = summarize_index(make_index(), IndexSummary("idx_x"), NOW)
    assert (status.media.total, status.size_bytes, status.last_import) == (0, 0, None)
    assert status.display_name == "films"


@pytest.mark.parametrize(("policy", "expected"), [("Retain", False), ("Delete", True)])
def test_only_the_policy_delete_owes_a_cleanup(policy: str, expected: bool) -> None:
    assert owes_cleanup(make_index(deletionPolicy=policy)) is expected


@pytest.mark.parametrize(
    ("before", "wanted", "expected"),
    [
        ([], True, [names.CATALOG_CLEANUP]),
        ([], False, []),
        (["a/b", "c/d"], True, ["a/b", "c/d", names.CATALOG_CLEANUP]),
        (["a/b", names.CATALOG_CLEANUP, "c/d"], False, ["a/b", "c/d"]),
        ([names.CATALOG_CLEANUP], True, [names.CATALOG_CLEANUP]),
    ],
)
def test_the_finalizers_of_others_are_kept_in_order(before: list[str], wanted: bool, expected: list[str]) -> None:
    index = make_index(meta={"finalizers": before})
    assert has_finalizer(index) is (names.CATALOG_CLEANUP in before)
    assert build_finalizers(index, wanted=wanted) == expected


def test_the_id_is_a_function_of_namespace_and_name() -> None:
    assert index_id_of(make_index(meta={"uid": "other"})) == index_id_of(make_index())
