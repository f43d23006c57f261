"""The real Cluster: plain JSON over the official client's transport (TLS, token refresh, kubeconfig).

The client's generated models are not used: parsing them costs more than the call. No decision may enter here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client.api_client import ApiClient

from videovector_operator.cluster.port import RESOURCES, Json
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError, Conflict

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_MAX_PAGES = 10_000

Permit = Callable[[], Awaitable[None]]
Observe = Callable[[str, str, int, float], None]


class KubernetesCluster:
    """The Kubernetes API. ``write_permit`` is awaited before each write (a token bucket); ``observe_call`` hears of every
    call: verb, kind, HTTP status (0 = no answer), seconds."""

    def __init__(
        self,
        api: ApiClient,
        *,
        write_permit: Permit,
        observe_call: Observe,
        clock: Callable[[], float],
        timeout_seconds: float = 30.0,
    ) -> None:
        self._api = api
        self._write_permit = write_permit
        self._observe_call = observe_call
        self._clock = clock
        self._timeout = timeout_seconds

    async def get(self, key: ObjectKey) -> Json | None:
        """Read one object; None = there is no such object."""
        return await self._call("GET", key.kind, _object_path(key))

    async def list_pages(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
    ) -> AsyncIterator[Sequence[Json]]:
        """Yield all objects of a kind, ``limit`` at a time."""
        query: dict[str, str] = {"limit": str(limit)}
        if label_selector:
            query["labelSelector"] = label_selector
        if field_selector:
            query["fieldSelector"] = field_selector
        for _ in range(_MAX_PAGES):
            page = await self._call("GET", kind, f"{_collection_path(kind, namespace)}?{urlencode(query)}")
            if page is None:
                # Every served kind answers a list, if with nothing: an empty answer would pass for "no objects".
                raise ClusterError(f"the Kubernetes API does not serve {kind}; is its CRD installed?", 404, "NotFound")
            yield page.get("items") or ()
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query["continue"] = token

    async def create(self, manifest: Json) -> Json | None:
        """Create the object; None = one of this name exists already."""
        kind = manifest["kind"]
        await self._write_permit()
        try:
            return await self._call(
                "POST", kind, _collection_path(kind, manifest["metadata"].get("namespace")), manifest, _JSON
            )
        except Conflict as error:
            if error.reason == "AlreadyExists":
                return None
            raise

    async def patch(self, key: ObjectKey, patch: Json) -> Json | None:
        """JSON merge patch; None = there is no such object."""
        await self._write_permit()
        return await self._call("PATCH", key.kind, _object_path(key), patch, _MERGE_PATCH)

    async def patch_status(self, key: ObjectKey, patch: Json) -> Json | None:
        """JSON merge patch of the status subresource; None = there is no such object."""
        await self._write_permit()
        return await self._call("PATCH", key.kind, _object_path(key) + "/status", patch, _MERGE_PATCH)

    async def _call(
        self, verb: str, kind: str, path: str, body: Json | None = None, content_type: str = _JSON
    ) -> Json | None:
        began = self._clock()
        status = 0
        try:
            status, data = await self._send(verb, path, body, content_type)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            msg = f"the Kubernetes API did not answer ({verb} {kind}): {type(error).__name__}"
            raise ClusterError(msg) from error
        finally:
            self._observe_call(verb, kind, status, self._clock() - began)
        return _interpret(verb, kind, status, data)

    async def _send(self, verb: str, path: str, body: Json | None, content_type: str) -> tuple[int, bytes]:
        method, url, headers, payload, _ = await self._api.param_serialize(
            method=verb,
            resource_path=path,
            header_params={"Accept": _JSON, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = await self._api.call_api(method, url, headers, payload, _request_timeout=self._timeout)
        data: bytes = await response.response.read()
        return int(response.status), data


def _collection_path(kind: str, namespace: str | None) -> str:
    resource = RESOURCES[kind]
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"{resource.prefix}{middle}/{resource.plural}"


def _object_path(key: ObjectKey) -> str:
    return f"{_collection_path(key.kind, key.namespace)}/{quote(key.name, safe='')}"


def _interpret(verb: str, kind: str, status: int, data: bytes) -> Json | None:
    details = _parse_object(data)
    if 200 <= status < 300:
        if not details:
            msg = f"the answer to {verb} {kind} is no JSON object: is a proxy in front of the Kubernetes API?"
            raise ClusterError(msg, status)
        return details
    if status == 404 and verb != "POST":
        return None
    message = str(details.get("message") or f"HTTP {status}")
    text = f"the Kubernetes API refused {verb} {kind}: {message}"
    reason = str(details.get("reason") or "")
    if status == 409 or (status == 422 and _is_about_uid(details)):
        raise Conflict(text, status, reason)
    raise ClusterError(text, status, reason)


def _is_about_uid(details: Mapping[str, Any]) -> bool:
    """A patch with another object's uid is refused as an attempt to change it."""
    causes = (details.get("details") or {}).get("causes") or ()
    return any(cause.get("field") == "metadata.uid" for cause in causes)


def _parse_object(data: bytes) -> Json:
    """The answer as a JSON object; {} = it is none."""
    try:
        parsed = json.loads(data)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
