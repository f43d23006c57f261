"""The calls to fake-gcs-server that the front needs, each with a time-out. No permissions, no preconditions."""

import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from .answers import Refusal

Json = dict[str, Any]
_TIMEOUT = aiohttp.ClientTimeout(total=60)


class Backend:
    """One fake-gcs-server on loopback."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    async def pass_on(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request target as it is; status and body of the answer."""
        headers = {"Content-Type": "application/json"} if body else {}
        async with self.request(method, target, data=body or None, headers=headers) as answer:
            return answer.status, await answer.read()

    async def find_object(self, bucket: str, key: str, generation: str = "") -> Json | None:
        """The object's resource, of one generation or the live one."""
        query = f"?{urlencode({'generation': generation})}" if generation else ""
        status, body = await self.pass_on("GET", f"{path_of(bucket, key)}{query}")
        return json.loads(body) if status == 200 else None

    async def bucket_exists(self, bucket: str) -> bool:
        """Whether there is such a bucket."""
        status, _ = await self.pass_on("GET", f"/storage/v1/b/{quote(bucket, safe='')}")
        return status == 200

    async def list_flat(self, bucket: str, prefix: str, start: str, end: str, limit: int) -> list[Json]:
        """Resources from ``start`` on, in key order, without folding anything."""
        query = {"prefix": prefix, "startOffset": start, "endOffset": end, "maxResults": str(limit)}
        status, body = await self.pass_on("GET", f"/storage/v1/b/{quote(bucket, safe='')}/o?{urlencode(query)}")
        if status != 200:
            raise Refusal(status, "notFound", "The specified bucket does not exist.")
        items: list[Json] = json.loads(body).get("items") or []
        return items

    async def insert(self, bucket: str, metadata: Mapping[str, Any], data: bytes) -> Json:
        """Create or replace an object."""
        boundary = secrets.token_hex(16)
        kind = metadata.get("contentType") or "application/octet-stream"
        head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{json.dumps({**metadata, 'contentType': kind})}"
        head += f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n"
        body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
        target = f"/upload/storage/v1/b/{quote(bucket, safe='')}/o?uploadType=multipart"
        headers = {"Content-Type": f"multipart/related; boundary={boundary}"}
        async with self.request("POST", target, data=body, headers=headers) as answer:
            text = await answer.read()
            if answer.status == 404:
                raise Refusal(404, "notFound", "The specified bucket does not exist.")
            if answer.status != 200:
                raise Refusal(answer.status, "invalid", text.decode(errors="replace"))
            created: Json = json.loads(text)
            return created

    async def delete(self, bucket: str, key: str) -> bool:
        """Delete the live object; False if there was none."""
        status, _ = await self.pass_on("DELETE", path_of(bucket, key))
        return status == 200

    def request(
        self, method: str, target: str, *, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:  # aiohttp's request context manager has no public name
        """Open a request whose target stays as it is; a context manager."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=64)
            self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False)
        url = URL(f"{self._endpoint}{target}", encoded=True)
        return self._session.request(method, url, data=data, headers=headers, allow_redirects=False)


def path_of(bucket: str, key: str) -> str:
    """The object's path in the JSON API."""
    return f"/storage/v1/b/{quote(bucket, safe='')}/o/{quote(key, safe='')}"
