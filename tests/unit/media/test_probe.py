"""The probe says what ffprobe says, from few bytes, and nothing but MediaError comes out of it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.media.driving import drive, ffprobe
from tools.sample_media import run_ffmpeg
from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.core.media_types import MEDIA_TYPES, MediaKind, media_type_of
from videovector_operator.errors import MediaError
from videovector_operator.media.formats import sniff_format
from videovector_operator.media.reader import PartialObject

VIDEOS = (
    "clip.mp4",
    "index-at-end.mp4",
    "fragmented.mp4",
    "rotated.mp4",
    "clip.mov",
    "clip.mkv",
    "clip.webm",
    "clip.avi",
)
AUDIOS = (
    "tone.mp3",
    "variable-rate.mp3",
    "with-cover.mp3",
    "tone.wav",
    "tone.flac",
    "tone.m4a",
    "tone.ogg",
    "tone.aac",
)
IMAGES = tuple(f"still.{extension}" for extension in ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff"))


def streams_of(answer: Any, kind: str) -> list[Any]:
    found = [stream for stream in answer["streams"] if stream["codec_type"] == kind]
    return [stream for stream in found if not stream["disposition"]["attached_pic"]]


@pytest.mark.parametrize("name", [*VIDEOS, *AUDIOS, "sound-only.mp4"])
def test_video_and_audio_agree_with_ffprobe(every_type: Mapping[str, Path], name: str) -> None:
    answer = ffprobe(every_type[name])
    videos, audios = streams_of(answer, "video"), streams_of(answer, "audio")
    probe = drive(every_type[name].read_bytes(), name).probe
    assert probe.kind == ("video" if videos else "audio")
    assert probe.duration_seconds == pytest.approx(float(answer["format"]["duration"]), rel=0.02)
    assert probe.technical["format"] in answer["format"]["format_name"]
    if videos:
        assert (probe.video_codec, probe.width, probe.height) == tuple(
            videos[0][field] for field in ("codec_name", "width", "height")
        )
        numerator, denominator = map(int, videos[0]["avg_frame_rate"].split("/"))
        assert probe.frame_rate == pytest.approx(numerator / denominator, rel=0.001)
    if audios:
        assert probe.audio_codec == audios[0]["codec_name"]
        assert probe.sample_rate == int(audios[0]["sample_rate"])
        assert probe.channels == audios[0]["channels"]


@pytest.mark.parametrize("name", IMAGES)
def test_images_agree_with_ffprobe(every_type: Mapping[str, Path], name: str) -> None:
    stream = ffprobe(every_type[name])["streams"][0]
    probe = drive(every_type[name].read_bytes(), name).probe
    assert probe.kind is MediaKind.IMAGE
    assert (probe.width, probe.height) == (stream["width"], stream["height"])
    assert probe.technical["streams"][0]["codec"] == stream["codec_name"]  # type: ignore[index,call-overload]  # plain JSON


@pytest.mark.parametrize("name", ["still.heic", "still.heif"])
def test_heif_agrees_with_libav(every_type: Mapping[str, Path], name: str) -> None:
    # Debian's ffprobe 5.1 cannot open heif; the newer libav inside PyAV can, and decodes the picture.
    with av.open(str(every_type[name])) as container:
        frame = next(container.decode(video=0))
    probe = drive(every_type[name].read_bytes(), name).probe
    assert (probe.width, probe.height, probe.content_type) == (frame.width, frame.height, "image/heic")


def test_rotation_agrees_with_ffprobe(every_type: Mapping[str, Path]) -> None:
    stream = ffprobe(every_type["rotated.mp4"])["streams"][0]
    turned = stream["side_data_list"][0]["rotation"]
    # ffprobe counts counter-clockwise, players and Exif clockwise.
    assert drive(every_type["rotated.mp4"].read_bytes(), "rotated.mp4").probe.technical["rotation"] == -turned % 360
    assert "rotation" not in drive(every_type["clip.mp4"].read_bytes(), "clip.mp4").probe.technical


def test_every_supported_extension_is_probed_with_its_content_type(every_type: Mapping[str, Path]) -> None:
    seen = set()
    for name, path in every_type.items():
        if name.startswith(("clip.", "tone.", "still.")):
            promised = media_type_of(name)
            assert promised is not None
            probe = drive(path.read_bytes(), name).probe
            assert probe.kind is promised.kind
            if not name.endswith("heif"):
                assert probe.content_type == promised.content_type
            seen.add(name.rpartition(".")[2])
    assert seen == set(MEDIA_TYPES)


REFUSED = {
    "a text file is named as such": ("a.mp4", b"hello, this is text\n" * 9, FileReason.UNREADABLE_MEDIA, "text"),
    "an HTML page": ("a.jpg", b"<!DOCTYPE html><html>", FileReason.UNREADABLE_MEDIA, "HTML"),
    "a PDF": ("a.mov", b"%PDF-1.4 ...", FileReason.UNREADABLE_MEDIA, "PDF"),
    "a playlist opens nothing": ("a.mp4", b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", FileReason.UNREADABLE_MEDIA, "playlist"),
    "zeros": ("a.mkv", b"\0" * 5000, FileReason.UNREADABLE_MEDIA, "zeros"),
    "one byte": ("a.wav", b"R", FileReason.UNREADABLE_MEDIA, "not media"),
    "a lone frame header": ("a.mp3", b"\xff\xfb\x90\x00" + b"\0" * 50, FileReason.UNREADABLE_MEDIA, "mp3"),
    "an ftyp box alone": ("a.mp4", b"\0\0\0\x10ftypisom\0\0\0\0", FileReason.TRUNCATED_MEDIA, "moov"),
    "a png without a header chunk": (
        "a.png",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40 + b"IEND",
        FileReason.UNREADABLE_MEDIA,
        "png",
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused(sentence: str) -> None:
    key, data, reason, words = REFUSED[sentence]
    with pytest.raises(MediaError, match=words) as caught:
        drive(data, key)
    assert caught.value.reason == reason


def test_an_image_named_like_a_video_is_refused_with_the_fix(every_type: Mapping[str, Path]) -> None:
    with pytest.raises(MediaError, match=r"'clip\.mp4' says a video, the content is png: rename the file") as caught:
        drive(every_type["still.png"].read_bytes(), "x/clip.mp4")
    assert caught.value.reason == FileReason.UNREADABLE_MEDIA
    with pytest.raises(MediaError, match="says an image, the content is mp3"):
        drive(every_type["tone.mp3"].read_bytes(), "cover.jpg")


@pytest.mark.parametrize(
    ("name", "key", "container", "kind"),
    [
        ("still.png", "photo.jpg", "png", MediaKind.IMAGE),
        ("clip.mkv", "clip.mp4", "matroska", MediaKind.VIDEO),
        ("sound-only.mp4", "talk.mp4", "mp4", MediaKind.AUDIO),
        ("tone.flac", "tone.mp3", "flac", MediaKind.AUDIO),
    ],
)
def test_the_content_decides_within_a_family(
    every_type: Mapping[str, Path], name: str, key: str, container: str, kind: MediaKind
) -> None:
    probe = drive(every_type[name].read_bytes(), key).probe
    assert (probe.container, probe.kind) == (container, kind)


@pytest.mark.parametrize(
    "name", ["clip.mp4", "index-at-end.mp4", "clip.mov", "tone.m4a", "tone.wav", "clip.avi", "still.webp", "still.heic"]
)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_cut_off_file_is_truncated_media(every_type: Mapping[str, Path], name: str, share: float) -> None:
    data = every_type[name].read_bytes()
    with pytest.raises(MediaError) as caught:
        drive(data[: int(len(data) * share)], name)
    assert caught.value.reason == FileReason.TRUNCATED_MEDIA
    assert "cut off" in caught.value.message or "never completely written" in caught.value.message


@pytest.mark.parametrize("name", ["clip.mkv", "clip.webm", "still.jpg", "still.png", "still.bmp"])
def test_a_cut_off_file_of_the_other_promising_formats(every_type: Mapping[str, Path], name: str) -> None:
    data = every_type[name].read_bytes()
    with pytest.raises(MediaError, match="cut off") as caught:
        drive(data[: len(data) * 3 // 4], name)
    assert caught.value.reason == FileReason.TRUNCATED_MEDIA


def test_a_wav_written_to_a_pipe_is_complete(every_type: Mapping[str, Path]) -> None:
    data = bytearray(every_type["tone.wav"].read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"
    assert drive(bytes(data), "tone.wav").probe.audio_codec == "pcm_s16le"


def test_tags_hold_nothing_that_a_database_refuses(every_type: Mapping[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "tagged.mp3"
    run_ffmpeg("-i", every_type["tone.mp3"], "-c", "copy", "-metadata", "title=" + "x" * 5000, path)
    tags = drive(path.read_bytes(), "tagged.mp3").probe.technical["tags"]
    assert isinstance(tags, dict)
    assert len(str(tags["title"])) == 256


@given(seed=st.integers(0, 2**32), cut=st.floats(0.01, 1.0), flips=st.integers(0, 60))
@settings(max_examples=300)
def test_only_media_errors_come_out_of_garbled_files(
    every_type: Mapping[str, Path], seed: int, cut: float, flips: int
) -> None:
    chance = random.Random(seed)
    name = chance.choice(sorted(every_type))
    data = bytearray(every_type[name].read_bytes())
    data = data[: max(1, int(len(data) * cut))]
    for _ in range(flips):
        # Headers are where the damage hurts most.
        data[min(len(data) - 1, int(chance.expovariate(1 / 200)))] = chance.randrange(256)
    with contextlib.suppress(MediaError):
        drive(bytes(data), name, head=chance.choice([64, 1000, 65536]))


@example(data=b"\xff\xf0\x00\x00", key="a.mp4")
@example(data=b"\xff\xf1\x50\x80\x00\x1f\xfc", key="a.aac")
@given(data=st.binary(min_size=1, max_size=300), key=st.sampled_from([f"a.{extension}" for extension in MEDIA_TYPES]))
@settings(max_examples=300)
def test_only_media_errors_come_out_of_noise(data: bytes, key: str) -> None:
    sniff_format(data, key)
    with pytest.raises(MediaError):
        drive(data, key)


def test_what_is_known_is_not_asked_for_again() -> None:
    content = PartialObject(1_000_000, b"x" * 65536)
    missing = content.missing(65000, 10_000)
    assert (missing.start, missing.length) == (65536, 65536)
    content.add(missing.start, b"y" * missing.length)
    assert content.exact(65000, 10_000) == b"x" * 536 + b"y" * 9464
    assert content.bytes_read == 131072
    assert content.missing(900_000, 5).start == 900_000
