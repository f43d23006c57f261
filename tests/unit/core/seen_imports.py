"""An import that could begin at once, and pieces of what may be seen of it later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.samples import NOW, make_connector, make_index, make_run, ready_status
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import names
from videovector_operator.core.import_seen import ChildJob, Observed
from videovector_operator.core.importjob import EndRun, LimitRequests, PatchChild
from videovector_operator.core.lost_access import LostAccess
from videovector_operator.core.records import RunState

Json = dict[str, Any]
PAUSE: Json = {"annotations": {"videovector.io/paused": "true"}}
CONNECTOR = make_connector(status=ready_status())
INDEX = make_index()
FRESH = Observed(connector=CONNECTOR, index=INDEX, child=None, run=None)
CHILD = ChildJob(name="vv-import-x-1", active=1, ready=1, ttl_seconds=86_400)
LET_GO = PatchChild(suspend=False, ttl_seconds=86_400)
CANCELLING = make_run(cancel_requested=True)
CANCELLED = EndRun(RunState.CANCELLED, Reason.CANCELLED, "cancelled; what was imported stays")
WAITING = LostAccess("Secret 'keys'", NOW, is_over=False)
GIVEN_UP = LostAccess("Secret 'keys'", NOW, is_over=True)
PHASES = {RunState.COMPLETED: "Completed", RunState.FAILED: "Failed", RunState.CANCELLED: "Cancelled"}


def seen(**changes: Any) -> Observed:
    return replace(FRESH, **changes)


def limit_to(limit: int | None) -> LimitRequests:
    return LimitRequests(names.connector_id("media", "footage"), limit)
