from __future__ import annotations

import pytest

from tests.support.kstatus import compute_kstatus
from tests.support.samples import NOW, as_seen, connector_manifest, make_connector, ready_status
from videovector_operator.core.connector_use import ConnectorUse, summarize_deletion, with_use

CONNECTOR = make_connector(status=ready_status())


def test_counts_are_put_into_a_status_that_keeps_all_else() -> None:
    status = with_use(CONNECTOR.status, ConnectorUse(3, 40, ("a", "b", "c")))
    assert (status.active_runs, status.queued_runs) == (3, 40)
    assert status.model_copy(update={"active_runs": None, "queued_runs": None}) == CONNECTOR.status


DELETIONS = {
    "nobody": (ConnectorUse(), "being deleted; no run uses it any more"),
    "one": (
        ConnectorUse(1, 0, ("first",)),
        "being deleted; 1 run uses it still and goes on to the end with the access that was given: first. "
        "No run begins with it any more",
    ),
    "many": (
        ConnectorUse(13, 5, tuple(f"run-{number:02}" for number in range(13))),
        "being deleted; 13 runs use it still and go on to the end with the access that was given: "
        "run-00, run-01, run-02, run-03, run-04, run-05, run-06, run-07, run-08, run-09 and 3 more. "
        "No run begins with it any more",
    ),
}


@pytest.mark.parametrize("name", DELETIONS)
def test_a_connector_that_is_being_deleted_says_who_uses_it(name: str) -> None:
    use, message = DELETIONS[name]
    status = summarize_deletion(CONNECTOR, use, NOW)
    ready, reconciling = status.conditions
    assert (ready.status, ready.reason, ready.message) == ("Unknown", "ConnectorDeleted", message)
    assert (reconciling.type, reconciling.status) == ("Reconciling", "True")
    assert (status.active_runs, status.queued_runs) == (use.active, use.queued)


def test_programs_see_it_as_terminating() -> None:
    status = summarize_deletion(CONNECTOR, ConnectorUse(), NOW).model_dump(mode="json", by_alias=True)
    body = as_seen(connector_manifest(), status=status, deletionTimestamp="2026-05-01T00:00:00Z")
    assert compute_kstatus(body) == "Terminating"
