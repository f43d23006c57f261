"""Width, height and rotation of the primary image of a heic or heif file.

libav shows the tiles of such a file as single streams; the size of the picture they make stands in the item properties.
No I/O may enter.
"""

from __future__ import annotations

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.errors import MediaError
from videovector_operator.media.boxes import Box, find_box, iterate_boxes, walk_file
from videovector_operator.media.reader import PartialObject

MAX_META_BYTES = 4 * 1024 * 1024


def read_heif(content: PartialObject) -> tuple[int, int, int]:
    """(width, height, clockwise rotation) as stored. Raises MissingBytes or MediaError."""
    meta = _find_meta(content)
    primary = _read_primary(meta)
    container = find_box(meta, (b"iprp", b"ipco"))
    association = find_box(meta, (b"iprp", b"ipma"))
    if container is None or association is None:
        raise _unreadable("it describes no image")
    properties = list(iterate_boxes(meta, container.body, container.end))
    width = height = rotation = 0
    for index in _read_associations(meta[association.body : association.end]).get(primary, ()):
        if not 0 < index <= len(properties):
            continue
        box = properties[index - 1]
        if box.kind == b"ispe":
            width, height = (int.from_bytes(meta[box.body + at : box.body + at + 4], "big") for at in (4, 8))
        elif box.kind == b"irot":
            rotation = -90 * (_integer(meta, box, 0, 1) & 3) % 360
    return width, height, rotation


def _find_meta(content: PartialObject) -> bytes:
    """The body of the ``meta`` box, behind its version and flags; walks on to the image data to see that it is all there."""
    meta: Box | None = None
    for box in walk_file(content):
        if box.kind == b"meta":
            meta = box
        if meta is not None and box.kind == b"mdat":
            break
    if meta is None:
        raise _unreadable("its description (meta box) is missing")
    if meta.end - meta.start > MAX_META_BYTES:
        raise _unreadable(f"its description has {meta.end - meta.start} bytes")
    return content.exact(meta.body, meta.end - meta.body)[4:]


def _read_primary(meta: bytes) -> int:
    box = find_box(meta, (b"pitm",))
    if box is None:
        raise _unreadable("it names no primary image")
    return _integer(meta, box, 4, 2 if meta[box.body : box.body + 1] == b"\0" else 4)


def _integer(data: bytes, box: Box, offset: int, width: int) -> int:
    return int.from_bytes(data[box.body + offset : box.body + offset + width], "big")


def _read_associations(body: bytes) -> dict[int, list[int]]:
    """{item: [1-based property index]} of an ``ipma`` box. Reading behind the end gives zeros, which mean nothing."""
    id_width = 2 if body[:1] == b"\0" else 4
    index_width = 2 if body[3:4] and body[3] & 1 else 1
    mask = 0x7FFF if index_width == 2 else 0x7F
    found: dict[int, list[int]] = {}
    at = 8
    while at + id_width < len(body):
        item = int.from_bytes(body[at : at + id_width], "big")
        count = body[at + id_width]
        at += id_width + 1
        indexes = [int.from_bytes(body[at + i * index_width : at + (i + 1) * index_width], "big") for i in range(count)]
        found[item] = [index & mask for index in indexes]
        at += count * index_width
    return found


def _unreadable(problem: str) -> MediaError:
    return MediaError(FileReason.UNREADABLE_MEDIA, f"the file begins like heif, but {problem}")
