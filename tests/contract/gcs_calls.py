"""Google's JSON API in plain requests, for tests of the server that stands for it."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

import google_crc32c
import jwt

from tests.contract.raw_http import Reply, send
from tools.testservers.gcs_accounts import ServiceAccount

FULL = "https://www.googleapis.com/auth/devstorage.full_control"
READ = "https://www.googleapis.com/auth/devstorage.read_only"
UNIT = 256 * 1024


def token_of(account: ServiceAccount, *, age: int = 0, seconds: int = 3600, **changes: Any) -> str:
    """A self-signed token; a claim that is changed to None is left out."""
    begun = int(time.time()) - age
    claims = {"iss": account.email, "sub": account.email, "iat": begun, "exp": begun + seconds, "scope": FULL}
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(kept, account.private_key, algorithm="RS256", headers={"kid": account.key_id})


def crc32c_of(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


@dataclass(frozen=True)
class Calls:
    """Requests to one bucket on one server, with one token or none."""

    endpoint: str
    bucket: str
    token: str = field(default="", repr=False)

    def using(self, token: str) -> Calls:
        return replace(self, token=token)

    def send(self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return send(self.endpoint, method, target, body, {**own, **(headers or {})})

    def path(self, key: str) -> str:
        return f"/storage/v1/b/{self.bucket}/o/{quote(key, safe='')}"

    def list_page(self, **query: str) -> Reply:
        return self.send("GET", f"/storage/v1/b/{self.bucket}/o?{urlencode(query)}")

    def get(self, key: str, **query: str) -> Reply:
        return self.send("GET", f"{self.path(key)}?{urlencode(query)}")

    def read(self, key: str, wanted: str = "", **query: str) -> Reply:
        headers = {"Range": wanted} if wanted else {}
        return self.send("GET", f"{self.path(key)}?{urlencode({'alt': 'media', **query})}", None, headers)

    def delete(self, key: str, **query: str) -> Reply:
        return self.send("DELETE", f"{self.path(key)}?{urlencode(query)}")

    def copy(self, key: str, to: str, how: str = "rewriteTo", **query: str) -> Reply:
        target = self.path(to).removeprefix("/storage/v1")
        return self.send("POST", f"{self.path(key)}/{how}{target}?{urlencode(query)}", b"")

    def put(self, key: str, data: bytes = b"x", headers: dict[str, str] | None = None, **query: str) -> Reply:
        """One request with nothing but the content."""
        asked = urlencode({"uploadType": "media", "name": key, **query})
        return self.send("POST", f"{self._uploads}?{asked}", data, headers)

    def put_multipart(self, key: str, data: bytes = b"x", *, query: str = "", **metadata: Any) -> Reply:
        """One request with metadata and content."""
        described = json.dumps({"name": key, **metadata}).encode()
        body = b"--sep\r\nContent-Type: application/json\r\n\r\n" + described
        body += b"\r\n--sep\r\nContent-Type: video/mp4\r\n\r\n" + data + b"\r\n--sep--\r\n"
        kind = {"Content-Type": "multipart/related; boundary=sep"}
        return self.send("POST", f"{self._uploads}?uploadType=multipart{query}", body, kind)

    def begin(self, key: str, *, query: str = "", **metadata: Any) -> Reply:
        """Begin a session; its URI is in the location header."""
        body = json.dumps({"name": key, **metadata}).encode()
        kind = {"Content-Type": "application/json"}
        return self.send("POST", f"{self._uploads}?uploadType=resumable{query}", body, kind)

    def chunk(self, location: str, data: bytes, wanted: str, headers: dict[str, str] | None = None) -> Reply:
        """Send a chunk of a session, or ask how far it is, without a token."""
        target = location.removeprefix(self.endpoint)
        return send(self.endpoint, "PUT", target, data, {"Content-Range": wanted, **(headers or {})})

    def put_session(self, key: str, chunks: list[bytes], *, query: str = "", **metadata: Any) -> Reply:
        """Upload in chunks, all but the last of which are whole units."""
        location = self.begin(key, query=query, **metadata).headers["location"]
        total, place = sum(len(chunk) for chunk in chunks), 0
        for chunk in chunks:
            reply = self.chunk(location, chunk, f"bytes {place}-{place + len(chunk) - 1}/{total}")
            place += len(chunk)
        return reply

    @property
    def _uploads(self) -> str:
        return f"/upload/storage/v1/b/{self.bucket}/o"
