"""What a file is: kind, format, duration, codecs, dimensions, rates, as ffprobe would say, from few of its bytes.

The name's extension says what the user means the file to be, the content says what it is:

- video and audio extensions are one family: an ``.mp4`` with sound only is audio, an ``.ogg`` with pictures is video;
- an image named like a video (or the reverse) is refused, for such a file is hardly what the user wanted to import.

Everything that cannot be read ends in a MediaError, however hostile the bytes are. No I/O may enter.
"""

from __future__ import annotations

from dataclasses import replace

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.core.media_types import MediaKind, media_type_of
from videovector_operator.errors import MediaError
from videovector_operator.media.completeness import check_completeness
from videovector_operator.media.facts import Json, Probe
from videovector_operator.media.formats import FACTS, Format, describe_content, sniff_format
from videovector_operator.media.images import read_image
from videovector_operator.media.reader import PartialObject
from videovector_operator.media.streams import probe_streams


def probe_media(content: PartialObject, key: str, *, timeout_seconds: float = 20.0) -> Probe:
    """Probe what is known of an object named ``key``.

    Raises MissingBytes when another range is needed (add it and call again), MediaError when the file is no media.
    Blocking and CPU-bound (about 0.3 ms; libav works without the GIL): call it in a thread.
    """
    head = content.exact(0, min(64, content.size))
    found = sniff_format(head, key)
    promised = media_type_of(key)
    if found is None:
        raise MediaError(FileReason.UNREADABLE_MEDIA, f"not media: {describe_content(content.available(0, 1024))}")
    is_image = not FACTS[found].demuxer
    if promised is not None and (promised.kind is MediaKind.IMAGE) is not is_image:
        raise _misnamed(key, promised.kind, found)
    check_completeness(content, found)
    if is_image:
        return _probe_image(content, found)
    return probe_streams(content, found, timeout_seconds)


def _probe_image(content: PartialObject, found: Format) -> Probe:
    facts = read_image(content, found)
    technical: dict[str, Json] = {
        "format": found.value,
        "size": content.size,
        "streams": [{"type": "image", "codec": facts.codec, "width": facts.width, "height": facts.height}],
    }
    if facts.rotation:
        technical["rotation"] = facts.rotation
    probe = Probe(
        kind=MediaKind.IMAGE,
        content_type=FACTS[found].content_types[MediaKind.IMAGE],
        container=found.value,
        width=facts.width,
        height=facts.height,
        technical=technical,
    )
    is_heic = found is Format.HEIF and content.available(8, 4)[:3] == b"hei"
    return replace(probe, content_type="image/heic") if is_heic else probe


def _misnamed(key: str, promised: MediaKind, found: Format) -> MediaError:
    article = "an" if promised is MediaKind.AUDIO or promised is MediaKind.IMAGE else "a"
    name = key.rpartition("/")[2][-80:]
    return MediaError(
        FileReason.UNREADABLE_MEDIA,
        f"the name {name!r} says {article} {promised.value}, the content is {found.value}: rename the file",
    )
