"""Width, height and orientation of images, read from their headers.

libav would need the whole file (tiff, bmp) and decode it; a few header fields need neither. No I/O may enter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.errors import MediaError
from videovector_operator.media.formats import Format
from videovector_operator.media.heif import read_heif
from videovector_operator.media.reader import PartialObject

MAX_JPEG_SEGMENTS = 512
MAX_TIFF_ENTRIES = 512
_ORIENTATION_DEGREES = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
_Order = Literal["little", "big"]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Dimensions in pixels as stored, and the clockwise degrees by which a viewer turns the image."""

    codec: str
    width: int
    height: int
    rotation: int = 0


def read_image(content: PartialObject, found: Format) -> ImageFacts:
    """Read an image's header. Raises MissingBytes or MediaError."""
    facts = _READERS[found](content)
    if facts.width <= 0 or facts.height <= 0:
        raise _unreadable(found.value, "its width or height is 0")
    return facts


def _read_png(content: PartialObject) -> ImageFacts:
    data = content.exact(0, 24)
    if data[12:16] != b"IHDR":
        raise _unreadable("png", "its header chunk is missing")
    return ImageFacts("png", int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))


def _read_gif(content: PartialObject) -> ImageFacts:
    data = content.exact(6, 4)
    return ImageFacts("gif", int.from_bytes(data[:2], "little"), int.from_bytes(data[2:], "little"))


def _read_bmp(content: PartialObject) -> ImageFacts:
    data = content.exact(0, 26)
    promised = int.from_bytes(data[2:6], "little")
    if promised > content.size:
        message = f"the file is cut off: its header promises {promised} bytes, it has {content.size}"
        raise MediaError(FileReason.TRUNCATED_MEDIA, message)
    if int.from_bytes(data[14:18], "little") == 12:
        return ImageFacts("bmp", int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little"))
    width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
    return ImageFacts("bmp", width, abs(height))


def _read_webp(content: PartialObject) -> ImageFacts:
    data = content.exact(0, 30)
    chunk = data[12:16]
    if chunk == b"VP8X":
        return ImageFacts("webp", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    if chunk == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return ImageFacts("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return ImageFacts("webp", width, height)
    raise _unreadable("webp", "its first chunk is no image")


def _read_jpeg(content: PartialObject) -> ImageFacts:
    """Walk the segments up to the first start-of-frame; Exif on the way gives the orientation."""
    position, rotation = 2, 0
    for _ in range(MAX_JPEG_SEGMENTS):
        head = content.exact(position, 4)
        marker = head[1]
        if head[0] != 0xFF or marker in (0xD9, 0xDA):
            break
        if marker == 0xFF:
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            position += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = content.exact(position + 5, 4)
            height, width = int.from_bytes(frame[:2], "big"), int.from_bytes(frame[2:], "big")
            return ImageFacts("mjpeg", width, height, rotation)
        else:
            length = int.from_bytes(head[2:], "big")
            if marker == 0xE1:
                rotation = rotation or _read_exif(content.exact(position + 4, max(length - 2, 0)))
            position += 2 + length
    raise _unreadable("jpeg", "it has no frame header")


def _read_exif(segment: bytes) -> int:
    if not segment.startswith(b"Exif\0\0"):
        return 0
    tiff = PartialObject(len(segment) - 6, segment[6:])
    try:
        return _ORIENTATION_DEGREES.get(_read_tiff_tags(tiff).get(274, 1), 0)
    except MediaError:
        return 0  # broken Exif is no reason to refuse a good image


def _read_tiff(content: PartialObject) -> ImageFacts:
    tags = _read_tiff_tags(content)
    return ImageFacts("tiff", tags.get(256, 0), tags.get(257, 0), _ORIENTATION_DEGREES.get(tags.get(274, 1), 0))


def _read_tiff_tags(content: PartialObject) -> dict[int, int]:
    """The integer tags of the first directory: {tag: first value}."""
    header = content.exact(0, 8)
    order: _Order = "little" if header[:2] == b"II" else "big"
    start = int.from_bytes(header[4:8], order)
    count = int.from_bytes(content.exact(start, 2), order)
    if not 0 < count <= MAX_TIFF_ENTRIES:
        raise _unreadable("tiff", f"its directory has {count} entries")
    entries = content.exact(start + 2, 12 * count)
    tags = {}
    for at in range(0, len(entries), 12):
        tag, kind = (int.from_bytes(entries[at + i : at + i + 2], order) for i in (0, 2))
        width = {1: 1, 3: 2, 4: 4}.get(kind, 0)
        if width:
            tags[tag] = int.from_bytes(entries[at + 8 : at + 8 + width], order)
    return tags


def _read_heif(content: PartialObject) -> ImageFacts:
    width, height, rotation = read_heif(content)
    return ImageFacts("hevc", width, height, rotation)


def _unreadable(name: str, problem: str) -> MediaError:
    return MediaError(FileReason.UNREADABLE_MEDIA, f"the file begins like {name}, but {problem}")


_READERS: dict[Format, Callable[[PartialObject], ImageFacts]] = {
    Format.JPEG: _read_jpeg,
    Format.PNG: _read_png,
    Format.WEBP: _read_webp,
    Format.GIF: _read_gif,
    Format.BMP: _read_bmp,
    Format.TIFF: _read_tiff,
    Format.HEIF: _read_heif,
}
