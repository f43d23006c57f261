"""What Cloud Storage says of an object, as `ObjectInfo`.

The fingerprint is the generation: a number that every new content gets and no change of metadata touches. So ``modified_at``
is ``timeCreated``, when this generation came to be; ``updated`` also moves when only a label or the storage class changes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_address import object_path
from videovector_operator.storage.gcs_answers import Answer, ask
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Request

FIELDS = "name,size,generation,timeCreated,storageClass,contentType,crc32c"
"""Asked for, everywhere; what is not asked for is not sent."""


_GENERATION = re.compile(r"[1-9][0-9]{0,17}")


def parse_objects(entries: list[Answer]) -> list[ObjectInfo]:
    """Read objects. Raises KeyError, ValueError, TypeError or AttributeError for what are none, or hold what is not text."""
    try:
        objects = [_parse(entry) for entry in entries]
    except OverflowError:
        # A size without end, a time before all times.
        raise ValueError("out of bounds") from None
    # One pass in C over all texts: half of a surrogate pair is no text either.
    "".join([entry.key + entry.fingerprint + entry.content_type + entry.storage_class for entry in objects]).encode()
    return objects


def _parse(entry: Answer) -> ObjectInfo:
    storage_class = entry.get("storageClass", "")
    crc32c = entry.get("crc32c")
    created = datetime.fromisoformat(entry["timeCreated"])
    return ObjectInfo(
        entry["name"],
        int(entry["size"]),
        entry["generation"],
        created if created.tzinfo is UTC else created.astimezone(UTC),
        "" if storage_class == "STANDARD" else storage_class,
        entry.get("contentType", ""),
        f"crc32c:{crc32c}" if crc32c else "",
    )


class Stored(NamedTuple):
    """An object with what only writers look at; ``md5`` is base64, "" = not said."""

    info: ObjectInfo
    md5: str
    metadata: dict[str, str]


def read_stored(answer: Answer) -> Stored:
    """Read a whole resource; raises as `parse_objects`."""
    return Stored(parse_objects([answer])[0], str(answer.get("md5Hash", "")), dict(answer.get("metadata", {})))


def pin(fingerprint: str) -> str:
    """Give the generation that a fingerprint pins; for one that is none, a generation that no object has (Google counts in µs).

    0 would mean "no object", and what is no number is refused before anybody looks whether the object is there.
    """
    return fingerprint if _GENERATION.fullmatch(fingerprint) else "1"


async def look_up(http: Exchange, bucket: str, key: str) -> ObjectInfo:
    """Ask for one object's description. Raises NotFound."""
    request = Request("GET", f"look up object {key!r}", path=object_path(bucket, key), params={"fields": FIELDS})

    def read(answer: Answer) -> ObjectInfo:
        found = parse_objects([answer])[0]
        if found.key != key:
            raise ValueError("another object")
        return found

    return await ask(http, request, read)
