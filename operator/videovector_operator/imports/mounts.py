"""What a worker pod finds beside its run: the Connector's Secret and CA bundle, as mounted files that may change at any time.

The kubelet replaces all files of a mount at once, by one symbolic link; they are read as one state. Secrets stay inside the
source's credentials. No storage request may enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from videovector_operator.core.certificates import read_ca_bundle
from videovector_operator.core.credentials import ALL_KEYS, add_credentials
from videovector_operator.core.records import JsonValue
from videovector_operator.core.sources import Source, parse_source
from videovector_operator.errors import Stalled
from videovector_operator.imports.problems import SourceUnusable

_LIMIT_BYTES = 1024 * 1024
"""More than an object of the Kubernetes API can hold."""
_ATTEMPTS = 100
"""A tenth of a millisecond each. The kubelet changes a mount once a minute at most: the second sees one state."""
_STATE = "..data"
"""The kubelet's link to the present state of a mount."""


@dataclass(frozen=True, slots=True)
class Mounts:
    """Where they are. ``credentials`` is a directory, None = the ambient identity; ``secret`` is the Secret's name, for people.
    ``ca_bundle`` is a file, None = the system's authorities are trusted."""

    credentials: Path | None = None
    ca_bundle: Path | None = None
    secret: str = ""

    @property
    def is_waiting(self) -> bool:
        """True while not one key of the Secret is there, although one is to come."""
        return self.credentials is not None and not _read_values(self.credentials)


def read_base(spec: Mapping[str, JsonValue]) -> Source:
    """Read where the files are from a run's spec. Raises SourceUnusable when this version does not know such a place."""
    source = parse_source(spec)
    if source is None:
        provider = spec.get("provider", "s3")
        raise SourceUnusable(
            f"This version of the worker cannot read from provider {provider!r}: upgrade the worker image"
        )
    return source


def read_source(base: Source, mounts: Mounts) -> Source:
    """Add what is mounted now. Raises SourceUnusable that names what is missing or malformed, never a value."""
    try:
        source = base if mounts.ca_bundle is None else replace(base, ca_bundle=_read_ca_bundle(mounts.ca_bundle))
        if mounts.credentials is None:
            return source
        return add_credentials(source, _read_values(mounts.credentials), secret=mounts.secret)
    except Stalled as error:
        raise SourceUnusable(error.message) from None


def _read_ca_bundle(file: Path) -> str:
    data = _read(file)
    if data is None:
        raise SourceUnusable(f"The Connector's caBundleRef names a key {file.name!r} that is not there: put it back")
    return read_ca_bundle(data.decode("utf-8", errors="replace"), where="The CA bundle of the Connector's caBundleRef")


def _read_values(directory: Path) -> dict[str, bytes]:
    """Read all keys that credentials may have, as they were at one moment."""
    for _ in range(_ATTEMPTS):
        state = _state_of(directory)
        values = {name: data for name in ALL_KEYS if (data := _read(directory / state / name)) is not None}
        if _state_of(directory) == state:
            break
    return values


def _state_of(directory: Path) -> str:
    try:
        return (directory / _STATE).readlink().name
    except OSError:
        return ""


def _read(file: Path) -> bytes | None:
    """Content of a file; None = there is none."""
    try:
        with file.open("rb") as stream:
            return stream.read(_LIMIT_BYTES)
    except FileNotFoundError:
        return None
    except OSError:
        raise SourceUnusable(f"The mounted file {file.name} cannot be read: look at the pod's volumes") from None
