"""Video and audio by libav (PyAV): opens a file of known format and reads what its header says.

libav gets only bytes that are known, one demuxer, no protocol and no decoder, so that no file can make it do anything else.
The media data are not needed: behind a complete header they look like the end of the file. What only decoding would tell
(a pixel format) stays unknown.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.core.media_types import MediaKind
from videovector_operator.errors import MediaError
from videovector_operator.media.boxes import find_layout, read_rotation
from videovector_operator.media.facts import Json, Probe
from videovector_operator.media.formats import FACTS, Format
from videovector_operator.media.headers import find_header_end
from videovector_operator.media.reader import BLOCK_BYTES, PartialObject, PartialReader

MAX_STREAMS = 64
MAX_FRAGMENTED_BYTES = 2 * 1024 * 1024
"""A fragmented mp4 (no index of the whole) up to this size is read whole; a larger one only shows its beginning."""
MAX_TAGS = 32
MAX_TEXT = 256
_OPTIONS = {
    # Stop analysing after this much: headers tell the rest.
    "probesize": "4096",
    "fpsprobesize": "0",
    "protocol_whitelist": "",
    "enable_drefs": "0",
    # No decoder may run over a stranger's bytes, and none is needed ...
    "codec_whitelist": "none",
}
# ... but for bare AAC frames. Without a header the duration comes from the mean bit rate: look at more frames.
_FRAME_OPTIONS = {**_OPTIONS, "probesize": str(BLOCK_BYTES), "codec_whitelist": "aac"}
_BARE_FRAMES = (Format.AAC, Format.MP3)
"""Known by a dozen set bits alone: libav calls those a stream, of which it says nothing when no whole frame follows."""
av.logging.set_level(None)


def probe_streams(content: PartialObject, found: Format, timeout_seconds: float) -> Probe:
    """Probe a video or audio file. Raises MissingBytes or MediaError."""
    if FACTS[found].demuxer == "mov":
        return probe_boxes(content, found, timeout_seconds)
    reader = PartialReader(content, _find_optional(content, found))
    return run_libav(reader, content, found, timeout_seconds)


def run_libav(reader: PartialReader, content: PartialObject, found: Format, timeout_seconds: float) -> Probe:
    """Open what ``reader`` shows and describe it. Raises MissingBytes or MediaError."""
    try:
        with _open(reader, found, timeout_seconds) as container:
            probe = _describe(container, content, found)
    except (FFmpegError, ValueError, OverflowError, MemoryError) as error:
        if reader.needed is not None:
            raise reader.needed from None
        words = getattr(error, "strerror", None) or str(error)
        message = f"not readable as {found.value}: {str(words)[:200]}"
        raise MediaError(FileReason.UNREADABLE_MEDIA, message) from None
    if reader.needed is not None:
        raise reader.needed
    return probe


def _open(reader: PartialReader, found: Format, timeout_seconds: float) -> InputContainer:
    return av.open(
        reader,
        mode="r",
        format=FACTS[found].demuxer,
        options=_FRAME_OPTIONS if found in _BARE_FRAMES else _OPTIONS,
        buffer_size=BLOCK_BYTES,
        metadata_errors="replace",
        timeout=timeout_seconds,
    )


def probe_boxes(content: PartialObject, found: Format, timeout_seconds: float) -> Probe:
    """Probe mp4, mov or m4a: all is in the index, so the media data are hidden and no frame is ever decoded."""
    layout = find_layout(content)
    rotation = read_rotation(content.exact(layout.index.start, layout.index.end - layout.index.start))
    hidden = layout.media_data
    if not layout.is_index_first:
        # libav reads on from the end of the media data to the index behind them.
        hidden = tuple(range(part.start, part.stop - BLOCK_BYTES) for part in hidden)
    is_partial = layout.fragments is not None and content.size > MAX_FRAGMENTED_BYTES
    if layout.fragments is not None:
        if not is_partial:
            content.exact(0, content.size)
        hidden = (range(layout.fragments + BLOCK_BYTES, content.size),) if is_partial else ()
    probe = run_libav(PartialReader(content, hidden, hidden), content, found, timeout_seconds)
    technical = {**probe.technical, "rotation": rotation} if rotation else probe.technical
    # The sum of the fragments seen so far would be a wrong duration; none is better.
    is_unknown = is_partial and not layout.has_fragment_list and not layout.has_duration(content)
    return replace(probe, technical=technical, duration_seconds=None if is_unknown else probe.duration_seconds)


def _find_optional(content: PartialObject, found: Format) -> tuple[range, ...]:
    """Where unknown bytes are media data (or tags nobody asks for), so that libav need not see them."""
    if found is Format.OGG:
        # The last page has the duration; libav looks for it in the last 64 KiB.
        return (range(BLOCK_BYTES, max(BLOCK_BYTES, content.size - BLOCK_BYTES)),)
    return (range(find_header_end(content, found), content.size),)


def _describe(container: InputContainer, content: PartialObject, found: Format) -> Probe:
    videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    audios = container.streams.audio
    if not videos and not audios:
        raise ValueError("it holds neither video nor audio")
    kind = MediaKind.VIDEO if videos else MediaKind.AUDIO
    video, audio = (videos[0] if videos else None), (audios[0] if audios else None)
    if found in _BARE_FRAMES and _positive(audio, "sample_rate") is None:
        raise ValueError("it holds no whole frame")
    content_types = FACTS[found].content_types
    return Probe(
        kind=kind,
        content_type=content_types.get(kind) or next(iter(content_types.values())),
        container=found.value,
        duration_seconds=_seconds(container.duration, Fraction(1, av.time_base)),
        width=_positive(video, "width"),
        height=_positive(video, "height"),
        frame_rate=_number(video.average_rate) if video else None,
        video_codec=_codec(video),
        audio_codec=_codec(audio),
        sample_rate=_positive(audio, "sample_rate"),
        channels=_positive(audio, "channels"),
        technical=_build_technical(container, content.size),
    )


def _build_technical(container: InputContainer, size: int) -> dict[str, Json]:
    """The whole probe as JSON; unknown values are left out, texts are cut."""
    streams: list[Json] = [_describe_stream(stream) for stream in list(container.streams)[:MAX_STREAMS]]
    return _known(
        {
            "format": container.format.name,
            "size": size,
            "durationSeconds": _seconds(container.duration, Fraction(1, av.time_base)),
            "bitRate": container.bit_rate or None,
            "tags": _clean(container.metadata) or None,
            "streams": streams,
        }
    )


def _describe_stream(stream: Stream) -> dict[str, Json]:
    has_codec = stream.codec_context is not None
    is_video, is_audio = stream.type == "video" and has_codec, stream.type == "audio" and has_codec
    rate = getattr(stream, "average_rate", None) if is_video else None
    layout = getattr(stream, "layout", None) if is_audio else None
    return _known(
        {
            "index": stream.index,
            "type": stream.type,
            "codec": _codec(stream),
            "profile": stream.profile if has_codec else None,
            "durationSeconds": _seconds(stream.duration, stream.time_base),
            "bitRate": _positive(stream, "bit_rate") if has_codec else None,
            "width": _positive(stream, "width") if is_video else None,
            "height": _positive(stream, "height") if is_video else None,
            "frameRate": f"{rate.numerator}/{rate.denominator}" if rate else None,
            "sampleRate": _positive(stream, "sample_rate") if is_audio else None,
            "channels": _positive(stream, "channels") if is_audio else None,
            "channelLayout": layout.name if layout is not None else None,
            "language": _text(stream.metadata.get("language", "")) or None,
            "isCover": bool(stream.disposition & Disposition.attached_pic) or None,
        }
    )


def _codec(stream: Stream | None) -> str | None:
    """The codec's own name ("h264"), not that of the decoder that reads it ("libdav1d" is av1)."""
    if stream is None or stream.codec_context is None:
        return None
    return str(stream.codec_context.codec.canonical_name)


def _positive(stream: Stream | None, name: str) -> int | None:
    value = getattr(stream, name, None) if stream is not None and stream.codec_context is not None else None
    return value if isinstance(value, int) and value > 0 else None


def _seconds(ticks: int | None, unit: Fraction | None) -> float | None:
    return _number(ticks * unit) if ticks is not None and ticks > 0 and unit else None


def _number(value: Fraction | None) -> float | None:
    number = float(value) if value else 0.0
    return round(number, 6) if math.isfinite(number) and number > 0 else None


def _clean(tags: dict[str, str]) -> dict[str, Json]:
    return {_text(name): _text(value) for name, value in list(tags.items())[:MAX_TAGS]}


def _text(value: str) -> str:
    # PostgreSQL's JSON takes no NUL and no lone surrogate.
    return value[:MAX_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def _known(values: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}
