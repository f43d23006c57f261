from __future__ import annotations

import inspect

import pytest

from videovector_operator import errors
from videovector_operator.api.v1alpha1.reasons import Reason
from videovector_operator.core.conditions import State
from videovector_operator.core.failures import classify_failure

CASES = {
    "a wrong Secret is the user's to fix": (
        errors.Stalled(Reason.SECRET_KEY_MISSING, "m"),
        State.STALLED,
        Reason.SECRET_KEY_MISSING,
        None,
    ),
    "a dependency that is not there yet is waited for": (
        errors.Waiting(Reason.CONNECTOR_NOT_READY, "m", 12.0),
        State.PROGRESSING,
        Reason.CONNECTOR_NOT_READY,
        12.0,
    ),
    "wrong keys": (errors.InvalidCredentials("m"), State.STALLED, Reason.INVALID_CREDENTIALS, None),
    "missing rights": (errors.AccessDenied("m"), State.STALLED, Reason.ACCESS_DENIED, None),
    "no such bucket": (errors.NotFound("m"), State.STALLED, Reason.BUCKET_NOT_FOUND, None),
    "not an S3 endpoint": (errors.Invalid("m"), State.STALLED, Reason.INVALID_ENDPOINT, None),
    "a provider that asks to slow down says for how long": (
        errors.Throttled("m", retry_after=7.0),
        State.RETRYING,
        Reason.STORAGE_THROTTLED,
        7.0,
    ),
    "but not for ever": (errors.Throttled("m", retry_after=1e9), State.RETRYING, Reason.STORAGE_THROTTLED, 300.0),
    "an object that is there already": (errors.AlreadyExists("m"), State.RETRYING, Reason.STORAGE_UNAVAILABLE, 0.0),
    "storage that is down": (errors.Unavailable("m"), State.RETRYING, Reason.STORAGE_UNAVAILABLE, 0.0),
    "an object that changed while it was read": (errors.Changed("m"), State.RETRYING, Reason.STORAGE_UNAVAILABLE, 0.0),
    "any other storage error": (errors.StorageError("m"), State.RETRYING, Reason.STORAGE_UNAVAILABLE, 0.0),
    "no database": (errors.CatalogUnavailable("m"), State.RETRYING, Reason.CATALOG_UNAVAILABLE, 0.0),
    "no API server": (errors.ClusterError("m"), State.RETRYING, Reason.CLUSTER_UNAVAILABLE, 0.0),
    "a write that came too late": (errors.Conflict("m", 409), State.RETRYING, Reason.CLUSTER_UNAVAILABLE, 0.0),
    "RBAC that does not fit": (errors.ClusterError("m", 403), State.RETRYING, Reason.FORBIDDEN, 0.0),
    "errors that nobody expects here": (errors.MediaError("X", "m"), State.RETRYING, Reason.INTERNAL_ERROR, 0.0),
    "the middle of the tree": (errors.ExternalError("m"), State.RETRYING, Reason.INTERNAL_ERROR, 0.0),
    "its root": (errors.VideoVectorError("m"), State.RETRYING, Reason.INTERNAL_ERROR, 0.0),
    "a bug": (KeyError("m"), State.RETRYING, Reason.INTERNAL_ERROR, 0.0),
    "a reason outside the vocabulary": (errors.Stalled("Strange", "m"), State.STALLED, Reason.INTERNAL_ERROR, None),
}


@pytest.mark.parametrize("name", CASES)
def test_what_an_error_asks_for(name: str) -> None:
    error, state, reason, retry_after = CASES[name]
    failure = classify_failure(error)
    assert (failure.verdict.state, failure.verdict.reason, failure.retry_after) == (state, reason, retry_after)


FORBIDDEN = {
    "the authorizer, of a namespace": (
        'jobs.batch is forbidden: User "system:serviceaccount:vv:operator" cannot create resource "jobs" in API group "batch" '
        'in the namespace "media"',
        "The operator's RBAC does not allow it: upgrade the Helm release",
    ),
    "the authorizer, of the core group": (
        'secrets "keys" is forbidden: User "x" cannot get resource "secrets" in API group "" in the namespace "media"',
        "The operator's RBAC does not allow it: upgrade the Helm release",
    ),
    "a quota": (
        'jobs.batch "vv-import-x-1" is forbidden: exceeded quota: few, requested: count/jobs.batch=1, used: '
        "count/jobs.batch=5, limited: count/jobs.batch=5",
        "A quota or an admission policy of the namespace refuses it",
    ),
    "a webhook": (
        'admission webhook "images.example.com" denied the request: images of this registry cannot be used',
        "A quota or an admission policy of the namespace refuses it",
    ),
    "pod security": (
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        "A quota or an admission policy of the namespace refuses it",
    ),
    "a namespace that goes": (
        'jobs.batch "vv-import-x-1" is forbidden: unable to create new content in namespace media because it is being terminated',
        "The namespace is being deleted",
    ),
}


@pytest.mark.parametrize("who", FORBIDDEN)
def test_a_refusal_of_the_api_server_is_put_down_to_who_refuses(who: str) -> None:
    words, hint = FORBIDDEN[who]
    failure = classify_failure(errors.ClusterError(words, 403, "Forbidden"))
    assert failure.verdict.message.startswith(f"{words}. {hint}")
    assert ("RBAC does not allow" in failure.verdict.message) == ("RBAC does not allow" in hint)
    assert (failure.verdict.state, failure.verdict.reason) == (State.RETRYING, Reason.FORBIDDEN)
    assert failure.retry_after == 0.0


def test_every_class_of_the_tree_is_in_the_table() -> None:
    classes = {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.VideoVectorError)}
    assert classes <= {type(error) for error, *_ in CASES.values()}


def test_messages_of_our_errors_reach_the_user() -> None:
    assert classify_failure(errors.Unavailable("storage is down")).verdict.message == "storage is down"
    refusal = 'jobs is forbidden: User "x" cannot list resource "jobs" in API group "batch" at the cluster scope'
    forbidden = classify_failure(errors.ClusterError(refusal, 403)).verdict.message
    assert forbidden.startswith(f"{refusal}. ")
    assert "RBAC" in forbidden


def test_the_text_of_a_foreign_error_does_not_reach_the_user() -> None:
    verdict = classify_failure(RuntimeError("password=hunter2")).verdict
    assert "hunter2" not in verdict.message
    assert "RuntimeError" in verdict.message


@pytest.mark.parametrize("name", CASES)
def test_a_run_says_what_it_knows_of_its_success(name: str) -> None:
    assert classify_failure(CASES[name][0], succeeded="Unknown").verdict.succeeded == "Unknown"
    assert classify_failure(CASES[name][0]).verdict.succeeded is None
