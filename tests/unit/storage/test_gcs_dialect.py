"""For which time tokens are made, and that what a refusal is told with holds none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from videovector_operator.errors import AccessDenied, InvalidCredentials
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.gcs_address import build_address, object_path
from videovector_operator.storage.gcs_dialect import GcsDialect
from videovector_operator.storage.port import GcsSource
from videovector_operator.storage.request import Reply, Request

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
READ = Request("GET", "read object 'a'", path=object_path("media", "a"))
TOKEN = "ya29.the-token/with+odd=parts"


class Noting:
    """Credentials that note for which times tokens are asked for."""

    email = "a@p.iam"

    def __init__(self) -> None:
        self.times: list[datetime] = []

    async def token(self, now: datetime) -> str:
        self.times.append(now)
        return TOKEN

    async def sign(self, message: bytes) -> bytes:
        return message

    def expire(self, *, refused: bool) -> bool:
        return refused

    def close(self) -> None:
        pass


def refused(date: str) -> Reply:
    body = b'{"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}}'
    return Reply(401, {"date": date}, body)


@pytest.fixture
def credentials() -> Noting:
    return Noting()


@pytest.fixture
def dialect(credentials: Noting) -> GcsDialect:
    address = build_address(GcsSource("media", "p"), EndpointPolicy())
    return GcsDialect(address, credentials, "p", lambda: NOW)


async def test_a_clock_that_is_hours_away_is_taken_over(dialect: GcsDialect, credentials: Noting) -> None:
    there = NOW + timedelta(hours=2)
    error = dialect.build_error(READ, refused(format_datetime(there, usegmt=True)))
    assert isinstance(error, InvalidCredentials)
    assert not dialect.can_renew(error), "the token was refused for its time: the next one is made for another"
    await dialect.authorize(READ)
    assert (credentials.times, dialect.now()) == ([there], there)


@pytest.mark.parametrize("days", [-40, -2, 2, 365, 36500])
async def test_no_server_chooses_the_time_of_a_token(dialect: GcsDialect, credentials: Noting, days: int) -> None:
    there = NOW + timedelta(days=days)
    error = dialect.build_error(READ, refused(format_datetime(there, usegmt=True)))
    assert (type(error), error.code) == (InvalidCredentials, "authError")
    assert "clock and this machine's differ by more than a day" in error.message
    await dialect.authorize(READ)
    assert (credentials.times, dialect.now()) == ([NOW], NOW)


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 31 Dec 9999 23:59:59 -2300"])
async def test_what_is_no_date_changes_nothing(dialect: GcsDialect, date: str) -> None:
    error = dialect.build_error(READ, refused(date))
    assert isinstance(error, InvalidCredentials)
    assert "clock" not in error.message
    assert dialect.now() == NOW


async def test_a_token_that_a_server_repeats_is_not_shown(dialect: GcsDialect) -> None:
    await dialect.authorize(READ)
    said = f'{{"error": {{"code": 403, "message": "no {TOKEN}", "errors": [{{"reason": "{TOKEN}"}}]}}}}'
    error = dialect.build_error(READ, Reply(403, {}, said.encode()))
    assert (type(error), error.code) == (AccessDenied, "***")
    assert "ya29" not in error.message
    assert "no ***" in error.message
