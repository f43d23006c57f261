from __future__ import annotations

import pytest

from tests.support.samples import NOW
from videovector_operator.api.v1alpha1.common import Status
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import conditions
from videovector_operator.core.conditions import Verdict
from videovector_operator.core.notices import CONNECTOR_GONE, decide_notices

NEW = Status()
TESTED = conditions.ready(Reason.CONNECTION_TESTED, "works")
DENIED = conditions.stalled(Reason.ACCESS_DENIED, "denied")

SCANNING = conditions.progressing(Reason.SCANNING, "3 files")
LOST = conditions.progressing(Reason.SCANNING, f"4 files. Connector 'x' {CONNECTOR_GONE}")
LOST_AND_MOVED = conditions.progressing(Reason.IMPORTING, f"5 files. Connector 'x' {CONNECTOR_GONE}")


def published(verdict: Verdict) -> Status:
    return Status(conditions=conditions.build_conditions(verdict, previous=(), generation=1, now=NOW))


CASES = {
    "the first good word": (NEW, published(TESTED), [("Normal", "ConnectionTested")]),
    "the first bad word": (NEW, published(DENIED), [("Warning", "AccessDenied")]),
    "the same again": (published(TESTED), published(TESTED), []),
    "another message alone": (
        published(DENIED),
        published(conditions.stalled(Reason.ACCESS_DENIED, "denied again")),
        [],
    ),
    "a fall": (published(TESTED), published(DENIED), [("Warning", "AccessDenied")]),
    "a recovery": (published(DENIED), published(TESTED), [("Normal", "ConnectionTested")]),
    "another reason of the same state": (
        published(DENIED),
        published(conditions.stalled(Reason.INVALID_CREDENTIALS, "wrong")),
        [("Warning", "InvalidCredentials")],
    ),
    "waiting is no warning": (NEW, published(conditions.progressing(Reason.PENDING, "soon")), [("Normal", "Pending")]),
    "a retry is a warning": (
        published(TESTED),
        published(conditions.retrying(Reason.STORAGE_UNAVAILABLE, "down")),
        [("Warning", "StorageUnavailable")],
    ),
    "what tells nobody anything": (NEW, published(conditions.ready(Reason.INDEX_READY, "3 media")), []),
    "one that is ahead of what it names": (
        NEW,
        published(conditions.progressing(Reason.INDEX_NOT_FOUND, "not there")),
        [],
    ),
    "what it names has not come": (
        published(conditions.progressing(Reason.INDEX_NOT_FOUND, "not there")),
        published(conditions.stalled(Reason.INDEX_NOT_FOUND, "not there")),
        [("Warning", "IndexNotFound")],
    ),
    "a run loses its Connector": (published(SCANNING), published(LOST), [("Warning", "ConnectorDeleted")]),
    "a run has lost its Connector before": (published(LOST), published(LOST_AND_MOVED), [("Normal", "Importing")]),
    "a Connector that is used is being deleted": (
        published(TESTED),
        published(conditions.progressing(Reason.CONNECTOR_DELETED, "in use")),
        [("Warning", "ConnectorDeleted")],
    ),
    "no conditions at all": (published(TESTED), NEW, []),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_worth_an_event(name: str) -> None:
    old, new, expected = CASES[name]
    assert [(notice.type, notice.reason) for notice in decide_notices(old, new)] == expected


def test_an_event_has_the_words_of_the_condition() -> None:
    (notice,) = decide_notices(NEW, published(DENIED))
    assert notice.message == "denied"
