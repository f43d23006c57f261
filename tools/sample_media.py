"""Sample media, generated with ffmpeg: the quickstart's folder, one file of every supported type, and many tiny files.

The demo, the end-to-end tests and the benchmarks share them. Run it to fill a folder::

    python -m tools.sample_media DIRECTORY
"""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
import tempfile
import wave
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FFMPEG_TIMEOUT_SECONDS = 120
_VIDEO = "testsrc2=size=320x180:rate=25:duration=2"
_SOUND = "sine=frequency=440:duration=2"
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")
_VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")


@dataclass(frozen=True, slots=True)
class Sample:
    """One file below the generated directory and what an import of it must come to.

    ``outcome`` is imported, failed or skipped; ``reason`` is the file reason of the last two, ``kind`` that of the first.
    """

    path: str
    outcome: str
    kind: str = ""
    reason: str = ""


QUICKSTART: tuple[Sample, ...] = (
    Sample("audio/tone.flac", "imported", kind="audio"),
    Sample("audio/tone.mp3", "imported", kind="audio"),
    Sample("audio/tone.wav", "imported", kind="audio"),
    Sample("broken/empty.mp4", "skipped", reason="ZeroBytes"),
    Sample("broken/not-a-video.mp4", "failed", reason="UnreadableMedia"),
    Sample("broken/truncated.mp4", "failed", reason="TruncatedMedia"),
    Sample("images/still.jpg", "imported", kind="image"),
    Sample("images/still.png", "imported", kind="image"),
    Sample("notes.txt", "skipped", reason="UnsupportedType"),
    Sample("videos/2026/clip.mov", "imported", kind="video"),
    Sample("videos/2026/clip.webm", "imported", kind="video"),
    Sample("videos/clip.mkv", "imported", kind="video"),
    Sample("videos/clip.mp4", "imported", kind="video"),
)


def generate(directory: Path) -> tuple[Sample, ...]:
    """Fill ``directory`` with the quickstart's files; the manifest, in path order. Needs ffmpeg; takes a second or two."""
    for folder in {(directory / sample.path).parent for sample in QUICKSTART}:
        folder.mkdir(parents=True, exist_ok=True)
    _encode_clips(directory / "videos", moved=directory / "videos" / "2026")
    for name in ("tone.mp3", "tone.wav", "tone.flac"):
        run_ffmpeg("-f", "lavfi", "-i", _SOUND, directory / "audio" / name)
    for name in ("still.jpg", "still.png"):
        run_ffmpeg("-f", "lavfi", "-i", _VIDEO, "-frames:v", "1", directory / "images" / name)
    whole = (directory / "videos" / "clip.mp4").read_bytes()
    (directory / "broken" / "truncated.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (directory / "broken" / "empty.mp4").write_bytes(b"")
    (directory / "broken" / "not-a-video.mp4").write_text("This is a text file that somebody named .mp4.\n" * 20)
    (directory / "notes.txt").write_text("Shot list: see the call sheet.\n")
    return QUICKSTART


def _encode_clips(directory: Path, *, moved: Path) -> None:
    source = ("-f", "lavfi", "-i", _VIDEO, "-f", "lavfi", "-i", _SOUND)
    run_ffmpeg(*source, *_H264, "-movflags", "+faststart", directory / "clip.mp4")
    run_ffmpeg("-i", directory / "clip.mp4", "-c", "copy", directory / "clip.mkv")
    # A mov with its index at the end, as cameras write it.
    run_ffmpeg("-i", directory / "clip.mp4", "-c", "copy", moved / "clip.mov")
    run_ffmpeg(*source, *_VP8, moved / "clip.webm")


def generate_every_type(directory: Path) -> Mapping[str, Path]:
    """One good file of every supported extension, and a few special ones; {file name: path}."""
    directory.mkdir(parents=True, exist_ok=True)
    _encode_clips(directory, moved=directory)
    clip = directory / "clip.mp4"
    copy = ("-i", clip, "-c", "copy")
    run_ffmpeg(*copy, directory / "index-at-end.mp4")
    fragments = ("-movflags", "+frag_keyframe+empty_moov", "-g", "10")
    run_ffmpeg("-i", clip, *_H264, *fragments, directory / "fragmented.mp4")
    run_ffmpeg(*copy, "-metadata:s:v:0", "rotate=90", directory / "rotated.mp4")
    run_ffmpeg(*copy, "-vn", directory / "sound-only.mp4")
    run_ffmpeg("-i", clip, "-c:v", "mpeg4", "-c:a", "mp3", directory / "clip.avi")
    for name in ("tone.mp3", "tone.wav", "tone.flac", "tone.m4a", "tone.ogg", "tone.aac"):
        run_ffmpeg("-f", "lavfi", "-i", _SOUND, directory / name)
    run_ffmpeg("-f", "lavfi", "-i", _SOUND, "-q:a", "6", "-write_xing", "1", directory / "variable-rate.mp3")
    for extension in ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff"):
        run_ffmpeg("-f", "lavfi", "-i", _VIDEO, "-frames:v", "1", directory / f"still.{extension}")
    cover = ("-i", directory / "tone.mp3", "-i", directory / "still.png", "-map", "0", "-map", "1", "-c", "copy")
    run_ffmpeg(*cover, "-id3v2_version", "3", directory / "with-cover.mp3")
    _encode_heic(directory)
    return {path.name: path for path in sorted(directory.iterdir())}


def _encode_heic(directory: Path) -> None:
    # Needs the product on the path, which the demo has not.
    from tools.sample_heif import build_heic

    with tempfile.TemporaryDirectory() as scratch:
        frame = Path(scratch) / "frame.mp4"
        quiet = ("-x265-params", "log-level=none", "-tag:v", "hvc1")
        run_ffmpeg("-f", "lavfi", "-i", _VIDEO, "-frames:v", "1", "-c:v", "libx265", *quiet, frame)
        data = build_heic(frame.read_bytes(), 320, 180)
    for name in ("still.heic", "still.heif"):
        (directory / name).write_bytes(data)


def run_ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg and overwrite its output. Raises RuntimeError with ffmpeg's own words."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FFMPEG_TIMEOUT_SECONDS, check=False)
    except FileNotFoundError:
        raise RuntimeError("ffmpeg is missing; install it with: apt-get install ffmpeg") from None
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def iterate_small(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` distinct tiny media files, (path, bytes of 1 to 4 KiB): wav, png, jpg and mp4 in turn, 1,000 a folder."""
    templates = _small_templates()
    for number in range(count):
        extension, template = templates[number % len(templates)]
        yield f"{number // 1000:04d}/file-{number:07d}.{extension}", _vary(extension, template, number)


def generate_small(directory: Path, count: int) -> Sequence[str]:
    """Write the files of `iterate_small` below ``directory``; their paths."""
    paths = []
    for path, data in iterate_small(count):
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        paths.append(path)
    return paths


@functools.cache
def _small_templates() -> Sequence[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        video = "testsrc2=size=64x48:rate=10:duration=0.3"
        run_ffmpeg("-f", "lavfi", "-i", video, *_H264, "-movflags", "+faststart", folder / "a.mp4")
        run_ffmpeg("-f", "lavfi", "-i", video, "-frames:v", "1", folder / "a.jpg")
        run_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=32x24", "-frames:v", "1", folder / "a.png")
        with wave.open(str(folder / "a.wav"), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(itertools.islice(itertools.cycle(range(0, 250, 5)), 1600)))
        return [(extension, (folder / f"a.{extension}").read_bytes()) for extension in ("wav", "png", "jpg", "mp4")]


def _vary(extension: str, template: bytes, number: int) -> bytes:
    """Make a file another one without breaking it: a comment, or other samples."""
    mark = f"{number:012d}".encode()
    if extension == "wav":
        return template[:-12] + mark
    if extension == "mp4":
        return template + (8 + len(mark)).to_bytes(4, "big") + b"free" + mark
    if extension == "jpg":
        return template[:2] + b"\xff\xfe" + (2 + len(mark)).to_bytes(2, "big") + mark + template[2:]
    chunk = b"tEXt" + b"n\0" + mark
    text = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return template[:33] + text + template[33:]


def main() -> None:
    """Fill the directory named on the command line and print the manifest as JSON."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.sample_media DIRECTORY")
    print(json.dumps([asdict(sample) for sample in generate(Path(sys.argv[1]))], indent=2))


if __name__ == "__main__":
    main()
