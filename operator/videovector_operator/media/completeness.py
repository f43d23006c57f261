"""Files that end too early: compare the length that a header promises with the object's size.

What the formats allow: mp4, mov, m4a and heic (boxes), wav, avi and webp (RIFF), mkv and webm (EBML) promise a length;
jpeg, png and gif have an end mark, looked for only when the whole file was read anyway. mp3, aac, ogg and flac promise
nothing that can be trusted: a cut-off one is imported with what it holds. No I/O may enter.
"""

from __future__ import annotations

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.errors import MediaError
from videovector_operator.media.formats import Format
from videovector_operator.media.headers import read_element_size
from videovector_operator.media.reader import PartialObject

_RIFF_SLACK_BYTES = 8
"""Some writers count the RIFF header itself, some forget the last padding byte."""
_END_MARKS = {Format.JPEG: b"\xff\xd9", Format.PNG: b"IEND", Format.GIF: b"\x3b"}
_SEGMENT = b"\x18\x53\x80\x67"


def check_completeness(content: PartialObject, found: Format) -> None:
    """Raises MediaError(TruncatedMedia) when the file is shorter than its header says. Boxes are checked by `boxes`."""
    if found in (Format.WAV, Format.AVI, Format.WEBP):
        _check_riff(content)
    elif found in (Format.MATROSKA, Format.WEBM):
        _check_matroska(content)
    elif found in _END_MARKS:
        _check_end_mark(content, found)


def _check_riff(content: PartialObject) -> None:
    promised = int.from_bytes(content.exact(0, min(12, content.size))[4:8], "little")
    # 0 and 2^32-1 are what a writer leaves that could not go back (a pipe); RF64 has its size elsewhere.
    if promised in (0, 0xFFFFFFFF):
        return
    if promised + 8 > content.size + _RIFF_SLACK_BYTES:
        raise _cut_off(promised + 8, content.size)


def _check_matroska(content: PartialObject) -> None:
    head = content.available(0, 4096)
    at = head.find(_SEGMENT)
    if at < 0:
        return
    size, width = read_element_size(head[at + 4 : at + 12])
    end = at + 4 + width + (size or 0)
    if size is not None and end > content.size:
        raise _cut_off(end, content.size)


def _check_end_mark(content: PartialObject, found: Format) -> None:
    if content.is_complete and _END_MARKS[found] not in content.available(0, content.size):
        raise MediaError(FileReason.TRUNCATED_MEDIA, f"the file is cut off: the end mark of {found.value} is missing")


def _cut_off(promised: int, size: int) -> MediaError:
    return MediaError(
        FileReason.TRUNCATED_MEDIA, f"the file is cut off: its header promises {promised} bytes, it has {size}"
    )
