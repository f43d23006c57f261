"""Sees every change of the batch/v1 Jobs of a namespace in its order: how many were not over at one time, and who came when."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from typing import Any, Self

from tests.support.world import World

Json = dict[str, Any]
_WATCH_SECONDS = 600


class JobWatcher:
    """A watch without a gap: one that the server closes goes on where it was. A gap proves nothing: `check` says so."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._connection: http.client.HTTPSConnection | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._version = ""
        self._open: set[str] = set()
        self._stopping = False
        self._broken = ""
        self.most = 0
        """The greatest number of Jobs that were there and not over at one time."""
        self.made: list[str] = []
        """Owners of the Jobs, in the order in which they were made."""

    def __enter__(self) -> Self:
        listed = self._world.api.get(self._world.path("Job"))
        assert listed is not None
        assert listed["items"] == [], "the namespace is not fresh"
        self._version = listed["metadata"]["resourceVersion"]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        if self._connection is not None and self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(2)
        self._thread.join(10)

    def check(self) -> None:
        """Fail if a change may have been missed."""
        assert not self._broken, self._broken

    def _follow(self) -> None:
        while not self._stopping and not self._broken:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                self._stream()
            time.sleep(0.1)

    def _stream(self) -> None:
        """Take every event behind the last one, until the connection ends."""
        layout = self._world.cluster.control.layout
        self._connection = http.client.HTTPSConnection(
            layout.server_ip, 443, timeout=_WATCH_SECONDS, context=self._world.api.tls()
        )
        path = f"{self._world.path('Job')}?watch=1&resourceVersion={self._version}&timeoutSeconds={_WATCH_SECONDS}"
        try:
            self._connection.request("GET", path)
            for line in iter(self._connection.getresponse().readline, b""):
                event = json.loads(line)
                if event.get("type") not in ("ADDED", "MODIFIED", "DELETED"):
                    self._broken = f"the watch of Jobs has a gap: {line[:300]!r}"
                    return
                self._take(event)
                self._version = event["object"]["metadata"]["resourceVersion"]
        finally:
            self._connection.close()

    def _take(self, event: Json) -> None:
        job = event["object"]
        uid = job["metadata"]["uid"]
        conditions = (job.get("status") or {}).get("conditions") or ()
        is_over = any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
        if event["type"] == "ADDED":
            self.made.append(job["metadata"]["ownerReferences"][0]["name"])
        if event["type"] == "DELETED" or is_over:
            self._open.discard(uid)
        else:
            self._open.add(uid)
        self.most = max(self.most, len(self._open))
