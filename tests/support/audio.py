"""Tiny real audio files without ffmpeg: each a WAV of its own content."""

from __future__ import annotations

import io
import struct
import wave


def make_wav(number: int, samples: int = 800) -> bytes:
    """A mono 8 kHz WAV of 0.1 s whose samples differ by ``number``."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"".join(struct.pack("<h", (number * 31 + index * 7) % 30000) for index in range(samples)))
    return buffer.getvalue()
