"""Large media files: the probe reads a little of them and says what ffprobe says. Generating them takes too long for the
unit tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.media.driving import drive, ffprobe
from tools.sample_media import run_ffmpeg
from videovector_operator.core.media_types import MediaKind


@pytest.fixture(scope="module")
def long_media(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Files of some megabytes, whose header is small."""
    folder = tmp_path_factory.mktemp("long")
    noise = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=20,noise=alls=80:allf=t")
    sound = ("-f", "lavfi", "-i", "anoisesrc=d=160:a=0.5:seed=1")
    both = (*noise, "-f", "lavfi", "-i", "anoisesrc=d=20:seed=1")
    first = folder / "index-at-end.mp4"
    run_ffmpeg(*both, "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "4M", "-pix_fmt", "yuv420p", first)
    run_ffmpeg("-i", first, "-c", "copy", "-movflags", "+faststart", folder / "faststart.mp4")
    for name in ("a.mov", "a.mkv"):
        run_ffmpeg("-i", first, "-c", "copy", folder / name)
    run_ffmpeg("-i", first, "-c:v", "copy", "-c:a", "mp3", folder / "a.avi")
    run_ffmpeg(*noise, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "4M", folder / "a.webm")
    for name in ("a.mp3", "a.wav", "a.flac", "a.m4a", "a.ogg", "a.aac"):
        run_ffmpeg(*sound, folder / name)
    for name in ("a.bmp", "a.tiff", "a.png", "a.jpg"):
        picture = "testsrc2=s=2000x1500,noise=alls=100"
        run_ffmpeg("-f", "lavfi", "-i", picture, "-frames:v", "1", "-q:v", "2", folder / name)
    return {path.name: path for path in folder.iterdir()}


READS = {
    "faststart.mp4": 1,
    "index-at-end.mp4": 2,
    "a.mov": 2,
    "a.mkv": 1,
    "a.webm": 1,
    "a.avi": 1,
    "a.mp3": 1,
    "a.wav": 1,
    "a.flac": 1,
    "a.m4a": 2,
    "a.ogg": 2,
    "a.aac": 1,
    "a.bmp": 1,
    "a.tiff": 2,
    "a.png": 1,
    "a.jpg": 1,
}


@pytest.mark.parametrize("name", READS)
def test_a_large_file_is_never_read_whole(long_media: Mapping[str, Path], name: str) -> None:
    data = long_media[name].read_bytes()
    driven = drive(data, name)
    assert len(data) > 1_000_000
    assert driven.reads <= READS[name]
    assert driven.bytes_read <= 200_000
    answer = ffprobe(long_media[name])
    if driven.probe.kind is MediaKind.IMAGE:
        assert driven.probe.width == answer["streams"][0]["width"]
    else:
        assert driven.probe.duration_seconds == pytest.approx(float(answer["format"]["duration"]), rel=0.03)


def test_a_large_fragmented_file_has_no_wrong_duration(long_media: Mapping[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "fragmented.mp4"
    # Without an index of the whole (as browsers record): only reading all of it would tell the duration.
    run_ffmpeg("-i", long_media["faststart.mp4"], "-c", "copy", "-movflags", "+frag_keyframe+empty_moov", path)
    driven = drive(path.read_bytes(), path.name)
    assert driven.probe.duration_seconds is None
    assert (driven.probe.video_codec, driven.probe.width, driven.probe.audio_codec) == ("h264", 320, "aac")
    assert driven.bytes_read <= 200_000
    # With a list of all fragments (as for streaming) the head is enough.
    run_ffmpeg("-i", long_media["faststart.mp4"], "-c", "copy", "-movflags", "+dash+global_sidx", path)
    assert drive(path.read_bytes(), path.name).probe.duration_seconds == pytest.approx(20, rel=0.01)
