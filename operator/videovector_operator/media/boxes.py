"""The boxes of ISO base media files (mp4, mov, m4a, heic): where the index is, whether all of the file is there, rotation.

Walking the top-level boxes takes one or two range reads, says exactly where the index (``moov``) lies, and finds files
that were cut off, which libav would open without a word. No I/O may enter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.errors import MediaError
from videovector_operator.media.reader import PartialObject

MAX_BOXES = 4096
MAX_INDEX_BYTES = 64 * 1024 * 1024
"""Room for the index of some 24 hours of video."""
_AHEAD_BYTES = 256 * 1024
"""Read with a box header that lies behind the media data: it is the index, and most are no longer."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box: ``start`` and ``end`` in its file (or buffer), ``body`` behind its header."""

    kind: bytes
    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What the top-level boxes say: where the index is, and the ranges that hold media data only.

    ``fragments`` is where the first fragment (or the list of all, ``sidx``) begins; None = the index stands for all.
    """

    index: Box
    media_data: tuple[range, ...]
    fragments: int | None = None
    has_fragment_list: bool = False

    @property
    def is_index_first(self) -> bool:
        """Whether everything of interest stands before the media data."""
        return all(self.index.start < part.start for part in self.media_data)

    def has_duration(self, content: PartialObject) -> bool:
        """Whether the index of a fragmented file tells the duration of all fragments (``mehd``)."""
        index = content.exact(self.index.start, self.index.end - self.index.start)
        return find_box(index, (b"moov", b"mvex", b"mehd")) is not None


def find_layout(content: PartialObject) -> Layout:
    """Walk the top-level boxes up to the index and the first media data.

    Raises MissingBytes (also for the index itself), or MediaError when the file is cut off, was never finished, or its
    index is larger than MAX_INDEX_BYTES.
    """
    index: Box | None = None
    fragments: Box | None = None
    media_data: list[range] = []
    for box in walk_file(content):
        if box.kind == b"moov":
            index = box
        elif box.kind == b"mdat":
            media_data.append(range(box.body, box.end))
        if index is not None and box.kind in (b"moof", b"sidx"):
            fragments = box
        if index is not None and (media_data or fragments):
            break
    if index is None:
        raise MediaError(
            FileReason.TRUNCATED_MEDIA, "the index (moov box) is missing: the file was never completely written"
        )
    if index.end - index.start > MAX_INDEX_BYTES:
        size = (index.end - index.start) // (1024 * 1024)
        raise MediaError(FileReason.UNREADABLE_MEDIA, f"the index (moov box) has {size} MiB; at most 64 MiB are read")
    content.exact(index.start, index.end - index.start)
    if fragments is None:
        return Layout(index, tuple(media_data))
    return Layout(index, tuple(media_data), fragments.start, fragments.kind == b"sidx")


def walk_file(content: PartialObject) -> Iterator[Box]:
    """The top-level boxes in order. Raises MissingBytes, or MediaError at a box that reaches beyond the file or is none."""
    position = 0
    seen_index = False
    for _ in range(MAX_BOXES):
        if position + 8 > content.size:
            return
        width = min(16, content.size - position)
        if len(content.available(position, width)) < width:
            raise content.missing(position, min(_AHEAD_BYTES, content.size - position))
        box = _read_header(content.exact(position, width), position, content.size)
        if box is None:
            # Padding behind a complete file is harmless.
            if seen_index:
                return
            raise MediaError(
                FileReason.UNREADABLE_MEDIA, f"byte {position} does not begin a box, as it should in mp4 or mov"
            )
        if box.end > content.size:
            raise MediaError(
                FileReason.TRUNCATED_MEDIA,
                f"the file is cut off: its {_name(box)} box ends at byte {box.end}, the file has {content.size} bytes",
            )
        seen_index = seen_index or box.kind in (b"moov", b"meta")
        yield box
        position = box.end


def _name(box: Box) -> str:
    return box.kind.decode("ascii", "replace")


def _read_header(data: bytes, start: int, limit: int) -> Box | None:
    """Read a box header from up to 16 bytes; None = no box begins here."""
    size = int.from_bytes(data[:4], "big")
    kind = data[4:8]
    header = 8
    if size == 1:
        if len(data) < 16:
            return None
        size = int.from_bytes(data[8:16], "big")
        header = 16
    elif size == 0:
        size = limit - start
    if size < header or not kind.strip(b"\0") or any(byte < 0x20 for byte in kind):
        return None
    return Box(kind, start, start + header, start + size)


def iterate_boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes one after another in a buffer; stops at what is no box or reaches beyond ``end``."""
    limit = len(data) if end is None else min(end, len(data))
    for _ in range(MAX_BOXES):
        if start + 8 > limit:
            return
        box = _read_header(data[start : min(start + 16, limit)], start, limit)
        if box is None or box.end > limit:
            return
        yield box
        start = box.end


def find_box(data: bytes, path: tuple[bytes, ...], start: int = 0, end: int | None = None) -> Box | None:
    """The first box down a path of kinds, for example (b"mdia", b"hdlr")."""
    for box in iterate_boxes(data, start, end):
        if box.kind == path[0]:
            return box if len(path) == 1 else find_box(data, path[1:], box.body, box.end)
    return None


def read_rotation(index: bytes) -> int:
    """Clockwise degrees (0, 90, 180 or 270) by which a player turns the video, from the first video track of a ``moov``."""
    moov = next(iterate_boxes(index), None)
    for track in iterate_boxes(index, moov.body, moov.end) if moov else ():
        if track.kind != b"trak":
            continue
        handler = find_box(index, (b"mdia", b"hdlr"), track.body, track.end)
        header = find_box(index, (b"tkhd",), track.body, track.end)
        if handler and header and index[handler.body + 8 : handler.body + 12] == b"vide":
            return _rotation_of(index[header.body : header.end])
    return 0


def _rotation_of(header: bytes) -> int:
    at = 52 if header[:1] == b"\1" else 40
    a, b, _, c, d = (int.from_bytes(header[at + 4 * i : at + 4 * i + 4], "big", signed=True) for i in range(5))
    one = 0x10000
    return {(0, one, -one, 0): 90, (-one, 0, 0, -one): 180, (0, -one, one, 0): 270}.get((a, b, c, d), 0)
