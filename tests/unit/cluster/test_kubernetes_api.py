"""How answers of the API server are read; the rest is held by the contract suite on a real one."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from videovector_operator.cluster.kubernetes_api import KubernetesCluster, _collection_path, _interpret, _object_path
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError, Conflict


def status(message: str, reason: str = "", field: str = "") -> bytes:
    details = {"causes": [{"field": field}]} if field else {}
    return json.dumps({"kind": "Status", "message": message, "reason": reason, "details": details}).encode()


REFUSALS: dict[str, tuple[str, int, bytes, type[ClusterError], str]] = {
    "an old version": ("PATCH", 409, status("has been modified", "Conflict"), Conflict, "has been modified"),
    "the uid of a namesake": ("PATCH", 422, status("immutable", "Invalid", "metadata.uid"), Conflict, "immutable"),
    "a field that makes no sense": ("POST", 422, status("bad", "Invalid", "spec.x"), ClusterError, "bad"),
    "a namespace that is not there": ("POST", 404, status("namespaces not found"), ClusterError, "not found"),
    "no right": ("GET", 403, status("forbidden", "Forbidden"), ClusterError, "forbidden"),
    "a proxy's page": ("GET", 502, b"<html>bad gateway</html>", ClusterError, "HTTP 502"),
    "a proxy's page that says all is well": ("GET", 200, b"<html></html>", ClusterError, "is a proxy in front"),
    "JSON that is no object": ("GET", 200, b"[]", ClusterError, "is a proxy in front"),
    "a list as a refusal": ("GET", 500, b"[]", ClusterError, "HTTP 500"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name: str) -> None:
    verb, code, data, kind, words = REFUSALS[name]
    with pytest.raises(ClusterError, match=words) as caught:
        _interpret(verb, "Index", code, data)
    assert (type(caught.value), caught.value.status) == (kind, code)


class NotServed:
    """An API client whose server knows no such path."""

    async def param_serialize(self, **_: Any) -> tuple[str, str, dict[str, str], None, list[str]]:
        return "GET", "https://api/path", {}, None, []

    async def call_api(self, *_: Any, **__: Any) -> Any:
        class Raw:
            async def read(self) -> bytes:
                return b"404 page not found"

        return SimpleNamespace(status=404, response=Raw())


async def test_a_kind_without_crd_is_an_error_and_not_an_empty_list() -> None:
    async def permit() -> None:
        return None

    api: Any = NotServed()
    cluster = KubernetesCluster(api, write_permit=permit, observe_call=lambda *_: None, clock=lambda: 0.0)
    with pytest.raises(ClusterError, match="is its CRD installed"):
        async for _ in cluster.list_pages("Connector"):
            pass


def test_answers() -> None:
    assert _interpret("GET", "Index", 200, b'{"a": 1}') == {"a": 1}
    assert _interpret("POST", "Index", 201, b'{"a": 1}') == {"a": 1}
    assert _interpret("GET", "Index", 404, status("not found")) is None
    assert _interpret("PATCH", "Index", 404, status("not found")) is None


def test_paths() -> None:
    assert _object_path(ObjectKey("Index", "media", "films")) == (
        "/apis/videovector.io/v1alpha1/namespaces/media/indexes/films"
    )
    assert _collection_path("Secret", None) == "/api/v1/secrets"
    assert _object_path(ObjectKey("Job", "a/b", "c?d")) == "/apis/batch/v1/namespaces/a%2Fb/jobs/c%3Fd"
