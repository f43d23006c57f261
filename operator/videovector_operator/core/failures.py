"""What an error asks for: retry, wait, or the user. Decided here and nowhere else. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from videovector_operator import errors
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core import conditions
from videovector_operator.core.conditions import Truth, Verdict
from videovector_operator.core.retry import LONGEST_RETRY_AFTER_SECONDS

_USER_ONLY: tuple[tuple[type[errors.StorageError], Reason], ...] = (
    (errors.InvalidCredentials, Reason.INVALID_CREDENTIALS),
    (errors.AccessDenied, Reason.ACCESS_DENIED),
    (errors.NotFound, Reason.BUCKET_NOT_FOUND),
    (errors.Invalid, Reason.INVALID_ENDPOINT),
)
_TRANSIENT: tuple[tuple[type[errors.ExternalError], Reason], ...] = (
    (errors.Throttled, Reason.STORAGE_THROTTLED),
    (errors.StorageError, Reason.STORAGE_UNAVAILABLE),
    (errors.CatalogUnavailable, Reason.CATALOG_UNAVAILABLE),
    (errors.ClusterError, Reason.CLUSTER_UNAVAILABLE),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a verdict, and the shortest time to the next try (None = no retry by itself).

    ``is_strange`` = what answered was no storage server, or it answered nonsense; most likely, but not surely, for good.
    """

    verdict: Verdict
    retry_after: float | None
    is_strange: bool = False


def classify_failure(error: Exception, *, succeeded: Truth | None = None) -> Failure:
    """Say what ``error`` asks for.

    An error that is not of our tree is a bug of ours: it is retried as InternalError, and its text stays in the log,
    because nobody has checked it for secrets.
    """
    if isinstance(error, errors.Stalled):
        return Failure(conditions.stalled(_word(error.reason), error.message, succeeded), None)
    if isinstance(error, errors.Waiting):
        verdict = conditions.progressing(_word(error.reason), error.message, succeeded)
        return Failure(verdict, error.retry_after)
    for kind, reason in _USER_ONLY:
        if isinstance(error, kind):
            is_strange = kind is errors.Invalid and not error.code
            return Failure(conditions.stalled(reason, error.message, succeeded), None, is_strange)
    if isinstance(error, errors.ClusterError) and error.status == 403:
        return Failure(conditions.retrying(Reason.FORBIDDEN, _explain_forbidden(error.message), succeeded), 0.0)
    for transient, reason in _TRANSIENT:
        if isinstance(error, transient):
            wait = min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS) if isinstance(error, errors.Throttled) else 0.0
            return Failure(conditions.retrying(reason, error.message, succeeded), wait)
    message = f"internal error ({type(error).__name__}); it will be tried again, details are in the operator's log"
    return Failure(conditions.retrying(Reason.INTERNAL_ERROR, message, succeeded), 0.0)


def _explain_forbidden(refusal: str) -> str:
    """Add to a 403 of the API server whose refusal it is: authorizer and admission answer with the same status and reason.

    The authorizer says: User "x" cannot create resource "jobs" in API group "batch" (apiserver, endpoints/handlers/responsewriters).
    """
    if "cannot" in refusal and "in API group" in refusal:
        return f"{refusal}. The operator's RBAC does not allow it: upgrade the Helm release"
    if "is being terminated" in refusal:
        return f"{refusal}. The namespace is being deleted: nothing can be created in it any more"
    return (
        f"{refusal}. A quota or an admission policy of the namespace refuses it, not the operator's RBAC: ask who administers "
        "the namespace to allow it, then it goes on by itself"
    )


def _word(reason: str) -> Reason:
    """The reason as a word of the vocabulary; one that is not in it must not hide the message."""
    return Reason(reason) if reason in set(Reason) else Reason.INTERNAL_ERROR
