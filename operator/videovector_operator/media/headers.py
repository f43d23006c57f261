"""Where a file's header ends and its media data begin, for the formats that are not made of ISO boxes.

With this the whole header is fetched by one range read, and all behind it may stay unknown. No I/O may enter.
"""

from __future__ import annotations

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.errors import MediaError
from videovector_operator.media.formats import Format
from videovector_operator.media.reader import PartialObject

MAX_HEADER_BYTES = 64 * 1024 * 1024
MAX_PARTS = 1024
_FIRST_FRAMES_BYTES = 4096
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675


def find_header_end(content: PartialObject, found: Format) -> int:
    """The offset behind the header, all of which is known then. Raises MissingBytes or MediaError."""
    if found in (Format.WAV, Format.AVI):
        end = _find_riff_data(content)
    elif found in (Format.MATROSKA, Format.WEBM):
        end = _find_cluster(content)
    elif found is Format.FLAC:
        end = _find_flac_frames(content) + _FIRST_FRAMES_BYTES
    else:
        end = _find_tag_end(content) + _FIRST_FRAMES_BYTES
    end = min(end, content.size)
    if end > MAX_HEADER_BYTES:
        size = end // (1024 * 1024)
        raise MediaError(
            FileReason.UNREADABLE_MEDIA, f"its header (tags, pictures) has {size} MiB; at most 64 MiB are read"
        )
    content.exact(0, end)
    return end


def _find_tag_end(content: PartialObject) -> int:
    """Behind an ID3v2 tag; 0 without one."""
    head = content.exact(0, min(10, content.size))
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _find_flac_frames(content: PartialObject) -> int:
    position = _find_tag_end(content)
    if position and content.exact(position, 4) != b"fLaC":
        raise MediaError(FileReason.UNREADABLE_MEDIA, "its name says flac, but no flac stream follows its ID3 tag")
    position += 4
    for _ in range(MAX_PARTS):
        head = content.exact(position, 4)
        position += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
    return position


def _find_riff_data(content: PartialObject) -> int:
    """Behind the header of the chunk with the samples (wav: data, avi: LIST movi)."""
    position = 12
    for _ in range(MAX_PARTS):
        if position + 12 > content.size:
            break
        head = content.exact(position, 12)
        if head[:4] == b"data" or (head[:4] == b"LIST" and head[8:] == b"movi"):
            return position + 12
        size = int.from_bytes(head[4:8], "little")
        position += 8 + size + (size & 1)
    return min(position, content.size)


def _find_cluster(content: PartialObject) -> int:
    """Where the first Cluster begins: Tracks and Info stand before it."""
    position = 0
    for _ in range(MAX_PARTS):
        if position >= content.size:
            break
        head = content.exact(position, min(12, content.size - position))
        kind, id_width = read_element_id(head)
        size, size_width = read_element_size(head[id_width:])
        if kind == _CLUSTER:
            return position + id_width + size_width
        if not id_width or not size_width:
            break
        position += id_width + size_width
        if kind != _SEGMENT:
            position += size or 0
    return min(position, content.size)


def read_element_id(data: bytes) -> tuple[int, int]:
    """An EBML id and its width; width 0 = none is here."""
    width = 9 - data[0].bit_length() if data and data[0] else 0
    return (int.from_bytes(data[:width], "big"), width) if 0 < width <= min(4, len(data)) else (0, 0)


def read_element_size(data: bytes) -> tuple[int | None, int]:
    """An EBML size (None = unknown) and its width; width 0 = none is here."""
    width = 9 - data[0].bit_length() if data and data[0] else 0
    if not 0 < width <= len(data):
        return 0, 0
    every = (1 << 7 * width) - 1
    value = int.from_bytes(data[:width], "big") & every
    return (None if value == every else value), width
