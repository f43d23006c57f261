"""What a client is told when it gets no answer: status, stable word, sentence. Decides nothing about the request itself."""

from __future__ import annotations

from typing import Any

from videovector_operator import errors
from videovector_operator.core.conditions import State
from videovector_operator.core.failures import classify_failure

Json = dict[str, Any]


class ApiProblem(errors.VideoVectorError):
    """An answer other than 200. ``code`` is one stable word; ``message`` is for people and never holds a secret."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    def to_json(self) -> Json:
        """The body of the answer."""
        return {"error": {"code": self.code, "message": self.message}}


def unauthorized(message: str) -> ApiProblem:
    """Nobody knows who asks."""
    return ApiProblem(401, "Unauthorized", message)


def forbidden(message: str) -> ApiProblem:
    """It is known who asks, and they may not."""
    return ApiProblem(403, "Forbidden", message)


def not_found(message: str) -> ApiProblem:
    """There is no such object, or nothing is known of it."""
    return ApiProblem(404, "NotFound", message)


def invalid(message: str) -> ApiProblem:
    """The request makes no sense."""
    return ApiProblem(422, "InvalidRequest", message)


def busy(message: str) -> ApiProblem:
    """Too much is being asked at once."""
    return ApiProblem(503, "Busy", message, retry_after=1)


def problem_of(error: errors.VideoVectorError) -> ApiProblem:
    """Say what an error of ours means for who asked.

    422 with the reason's word: only a user can fix it, and the message says how. 503: the same request may work later.
    """
    if isinstance(error, ApiProblem):
        return error
    failure = classify_failure(error)
    verdict = failure.verdict
    if verdict.state is State.STALLED:
        return ApiProblem(422, verdict.reason.value, verdict.message)
    wait = failure.retry_after or 0.0
    return ApiProblem(503, verdict.reason.value, verdict.message, retry_after=max(round(wait), 1))
