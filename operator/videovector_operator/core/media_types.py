"""Which files are media: the contract's list of extensions, with the kind and the content type each one stands for.

Exactly the contract's list (4.3), so that an import here takes what an import there takes: no ``m4v``, ``ts`` or ``opus``.
What a file really holds is found out by `media`; nothing here reads a byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class MediaKind(StrEnum):
    """The contract's ``media_type``."""

    VIDEO = "video"
    AUDIO = "audio"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class MediaType:
    """What an extension promises."""

    kind: MediaKind
    content_type: str


MEDIA_TYPES: Mapping[str, MediaType] = MappingProxyType(
    {
        "mp4": MediaType(MediaKind.VIDEO, "video/mp4"),
        "avi": MediaType(MediaKind.VIDEO, "video/x-msvideo"),
        "mkv": MediaType(MediaKind.VIDEO, "video/x-matroska"),
        "mov": MediaType(MediaKind.VIDEO, "video/quicktime"),
        "webm": MediaType(MediaKind.VIDEO, "video/webm"),
        "mp3": MediaType(MediaKind.AUDIO, "audio/mpeg"),
        "wav": MediaType(MediaKind.AUDIO, "audio/wav"),
        "flac": MediaType(MediaKind.AUDIO, "audio/flac"),
        "m4a": MediaType(MediaKind.AUDIO, "audio/mp4"),
        "ogg": MediaType(MediaKind.AUDIO, "audio/ogg"),
        "aac": MediaType(MediaKind.AUDIO, "audio/aac"),
        "jpg": MediaType(MediaKind.IMAGE, "image/jpeg"),
        "jpeg": MediaType(MediaKind.IMAGE, "image/jpeg"),
        "png": MediaType(MediaKind.IMAGE, "image/png"),
        "webp": MediaType(MediaKind.IMAGE, "image/webp"),
        "gif": MediaType(MediaKind.IMAGE, "image/gif"),
        "bmp": MediaType(MediaKind.IMAGE, "image/bmp"),
        "tiff": MediaType(MediaKind.IMAGE, "image/tiff"),
        "heic": MediaType(MediaKind.IMAGE, "image/heic"),
        "heif": MediaType(MediaKind.IMAGE, "image/heif"),
    }
)


def extension_of(key: str) -> str:
    """The lower-case extension of a key's last segment without its dot; "" if it has none (``.mp4`` alone is a name)."""
    stem, dot, extension = key.rpartition("/")[2].rpartition(".")
    return extension.lower() if dot and stem else ""


def media_type_of(key: str) -> MediaType | None:
    """What the key's extension promises (case does not matter); None = not a supported type."""
    return MEDIA_TYPES.get(extension_of(key))
