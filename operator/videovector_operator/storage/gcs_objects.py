"""What Cloud Storage says of an object, as `ObjectInfo`.

The fingerprint is the generation: a number that every new content gets and no change of metadata touches. So ``modified_at``
is ``timeCreated``, when this generation came to be; ``updated`` also moves when only a label or the storage class changes.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TypedDict, cast

from videovector_operator.errors import Invalid
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.gcs_address import object_path
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.request import Reply, Request

FIELDS = "name,size,generation,timeCreated,storageClass,contentType,crc32c"
"""Asked for, everywhere; what is not asked for is not sent."""


class Resource(TypedDict, total=False):
    """The parts of Google's object resource that are asked for; numbers come as text."""

    name: str
    size: str
    generation: str
    timeCreated: str
    storageClass: str
    contentType: str
    crc32c: str
    md5Hash: str
    metadata: dict[str, str]


_GENERATION = re.compile(r"[1-9][0-9]{0,17}")
NOT_GOOGLE = (KeyError, ValueError, TypeError, AttributeError, RecursionError)
"""What reading an answer of another kind raises."""


def parse_objects(entries: list[Resource]) -> list[ObjectInfo]:
    """Read objects. Raises one of `NOT_GOOGLE` for what are none, or hold what is not text (half of a surrogate pair)."""
    objects = [_parse(entry) for entry in entries]
    # One pass in C over all texts.
    "".join([entry.key + entry.fingerprint + entry.content_type + entry.storage_class for entry in objects]).encode()
    return objects


def _parse(entry: Resource) -> ObjectInfo:
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


def pin(fingerprint: str) -> str:
    """Give the generation that a fingerprint pins; for one that is none, a generation that no object has (Google counts in µs).

    0 would mean "no object", and what is no number is refused before anybody looks whether the object is there.
    """
    return fingerprint if _GENERATION.fullmatch(fingerprint) else "1"


async def look_up(http: Exchange, bucket: str, key: str) -> ObjectInfo:
    """Ask for one object's description. Raises NotFound."""
    request = Request("GET", f"look up object {key!r}", path=object_path(bucket, key), params={"fields": FIELDS})
    return await http.send(request, lambda reply: _decode(key, reply))


def _decode(key: str, reply: Reply) -> ObjectInfo:
    try:
        return parse_objects([cast("Resource", json.loads(reply.body))])[0]
    except NOT_GOOGLE:
        raise Invalid(f"The answer to looking up object {key!r} is not Cloud Storage's: check the endpoint") from None
