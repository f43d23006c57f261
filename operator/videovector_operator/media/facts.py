"""What a probe finds out. Only the record may stand here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from videovector_operator.core.media_types import MediaKind

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Probe:
    """Technical metadata of one file. ``technical`` is the same and more as JSON; unknown values are None or absent."""

    kind: MediaKind
    content_type: str
    container: str
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    technical: Mapping[str, Json] = field(default_factory=dict)
