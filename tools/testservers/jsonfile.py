"""A small JSON file that one process changes while another one reads it: locked for changes, replaced as a whole."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.devcluster.layout import locked

Content = dict[str, Any]


class JsonFile:
    """An object in a file; no file is an empty object."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._content: Content = {}

    def read(self) -> Content:
        """Answer the present content; it is parsed again only if the file is another one."""
        try:
            state = self._path.stat()
        except FileNotFoundError:
            return {}
        if (signature := (state.st_ino, state.st_mtime_ns)) != self._seen:
            self._content = json.loads(self._path.read_text())
            self._seen = signature
        return self._content

    @contextlib.contextmanager
    def changing(self) -> Iterator[Content]:
        """Give a copy to change, and write it at the end."""
        with locked(self._path.with_suffix(".lock")):
            content: Content = json.loads(self._path.read_text()) if self._path.exists() else {}
            yield content
            new = self._path.with_suffix(f".new-{os.getpid()}")
            new.write_text(json.dumps(content))
            new.replace(self._path)
