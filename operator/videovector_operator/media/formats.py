"""Which format a file has by its first bytes. The content decides, not the extension: a name may lie.

Sniffing names libav's demuxer outright, which is faster than asking all of them and keeps playlists (which would open
other addresses) and the rest of libav's 300 demuxers away from files of strangers.
No I/O may enter.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from enum import StrEnum

from videovector_operator.core.media_types import MediaKind, extension_of


class Format(StrEnum):
    """A container format; the value is what people read in ``container``."""

    MP4 = "mp4"
    QUICKTIME = "mov"
    MATROSKA = "matroska"
    WEBM = "webm"
    AVI = "avi"
    MP3 = "mp3"
    WAV = "wav"
    FLAC = "flac"
    OGG = "ogg"
    AAC = "aac"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    BMP = "bmp"
    TIFF = "tiff"
    HEIF = "heif"


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """What follows from a format. ``demuxer`` "" = an image, whose header is read without libav."""

    demuxer: str
    content_types: dict[MediaKind, str]


_VIDEO, _AUDIO, _IMAGE = MediaKind.VIDEO, MediaKind.AUDIO, MediaKind.IMAGE
FACTS: dict[Format, FormatFacts] = {
    Format.MP4: FormatFacts("mov", {_VIDEO: "video/mp4", _AUDIO: "audio/mp4"}),
    Format.QUICKTIME: FormatFacts("mov", {_VIDEO: "video/quicktime", _AUDIO: "audio/mp4"}),
    Format.MATROSKA: FormatFacts("matroska", {_VIDEO: "video/x-matroska", _AUDIO: "audio/x-matroska"}),
    Format.WEBM: FormatFacts("matroska", {_VIDEO: "video/webm", _AUDIO: "audio/webm"}),
    Format.AVI: FormatFacts("avi", {_VIDEO: "video/x-msvideo", _AUDIO: "audio/x-msvideo"}),
    Format.MP3: FormatFacts("mp3", {_AUDIO: "audio/mpeg"}),
    Format.WAV: FormatFacts("wav", {_AUDIO: "audio/wav"}),
    Format.FLAC: FormatFacts("flac", {_AUDIO: "audio/flac"}),
    Format.OGG: FormatFacts("ogg", {_AUDIO: "audio/ogg", _VIDEO: "video/ogg"}),
    Format.AAC: FormatFacts("aac", {_AUDIO: "audio/aac"}),
    Format.JPEG: FormatFacts("", {_IMAGE: "image/jpeg"}),
    Format.PNG: FormatFacts("", {_IMAGE: "image/png"}),
    Format.WEBP: FormatFacts("", {_IMAGE: "image/webp"}),
    Format.GIF: FormatFacts("", {_IMAGE: "image/gif"}),
    Format.BMP: FormatFacts("", {_IMAGE: "image/bmp"}),
    Format.TIFF: FormatFacts("", {_IMAGE: "image/tiff"}),
    Format.HEIF: FormatFacts("", {_IMAGE: "image/heif"}),
}

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"OggS", Format.OGG),
    (b"fLaC", Format.FLAC),
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
)
_RIFF = {b"WAVE": Format.WAV, b"AVI ": Format.AVI, b"WEBP": Format.WEBP}
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif"))
_OLD_QUICKTIME = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"\x7fELF", "a program"),
    (b"\x30\x26\xb2\x75", "Windows Media (ASF), which is not supported"),
    (b"FLV\x01", "Flash video, which is not supported"),
    (b"#EXTM3U", "a playlist, not media"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "XML text"),
)


def sniff_format(head: bytes, key: str) -> Format | None:
    """The format of a file that begins with ``head`` (64 bytes or more, if it has them); None = no format known here."""
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF.get(head[8:12])
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return Format.WEBM if b"webm" in head[:64] else Format.MATROSKA
    return _sniff_boxes(head) or _sniff_frames(head, key) or _sniff_bitmap(head)


def _sniff_boxes(head: bytes) -> Format | None:
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _HEIF_BRANDS:
            return Format.HEIF
        return Format.QUICKTIME if brand == b"qt  " else Format.MP4
    return Format.QUICKTIME if head[4:8] in _OLD_QUICKTIME else None


def _sniff_frames(head: bytes, key: str) -> Format | None:
    """MPEG audio: an ID3 tag (which may stand before FLAC and AAC too: the name decides) or a frame's sync word."""
    if head[:3] == b"ID3":
        return {"flac": Format.FLAC, "aac": Format.AAC}.get(extension_of(key), Format.MP3)
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return Format.AAC
    return Format.MP3 if head[1] & 0x06 and head[1] & 0x18 != 0x08 else None


def _sniff_bitmap(head: bytes) -> Format | None:
    # "BM" alone is too little: the header's size, one of a few, must follow.
    is_bitmap = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)
    return Format.BMP if is_bitmap else None


def describe_content(head: bytes) -> str:
    """Say in plain words what a file seems to be that has no known format."""
    for magic, words in _FOREIGN:
        if head.lstrip()[: len(magic)].lower() == magic.lower():
            return f"the file is {words}"
    if not head.strip(b"\0"):
        return "the file begins with zeros only"
    sample = head[:512]
    if not sample.translate(None, bytes(range(32, 127)) + b"\t\r\n\f") or _is_text(sample):
        return "the file is text"
    return "its first bytes are those of no supported format"


def _is_text(sample: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)  # a character cut at the end is no fault
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)
