"""Makes a heic file from one HEVC frame in an mp4: ffmpeg cannot write the format, and its boxes are few.

The result is a real image (one coded item with its decoder configuration), not just a header.
"""

from __future__ import annotations

from videovector_operator.media.boxes import find_box, iterate_boxes


def build_heic(mp4: bytes, width: int, height: int) -> bytes:
    """Build a heic of the first sample of an mp4 that holds one HEVC key frame."""
    configuration = _find_configuration(mp4)
    frame = _find_frame(mp4)
    kind = _box(b"ftyp", b"heic\0\0\0\0mif1heic")
    # The item's place is known once the size of the description is: build it twice.
    meta = _build_meta(configuration, width, height, len(frame), 0)
    meta = _build_meta(configuration, width, height, len(frame), len(kind) + len(meta) + 8)
    return kind + meta + _box(b"mdat", frame)


def _find_configuration(mp4: bytes) -> bytes:
    path = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    table = find_box(mp4, path)
    if table is None:
        raise ValueError("the mp4 has no video track")
    entry = next(iterate_boxes(mp4, table.body + 8, table.end))
    configuration = find_box(mp4, (b"hvcC",), entry.body + 78, entry.end)
    if configuration is None:
        raise ValueError("the mp4's video is not HEVC")
    return mp4[configuration.start : configuration.end]


def _find_frame(mp4: bytes) -> bytes:
    data = find_box(mp4, (b"mdat",))
    if data is None:
        raise ValueError("the mp4 holds no media data")
    return mp4[data.body : data.end]


def _build_meta(configuration: bytes, width: int, height: int, length: int, offset: int) -> bytes:
    handler = _full(b"hdlr", b"\0" * 4 + b"pict" + b"\0" * 13)
    primary = _full(b"pitm", _short(1))
    location = _full(b"iloc", b"\x44\0" + _short(1) + _short(1) + _short(0) + _short(1) + _long(offset) + _long(length))
    item = _full(b"infe", _short(1) + _short(0) + b"hvc1\0", version=2)
    items = _full(b"iinf", _short(1) + item)
    size = _full(b"ispe", _long(width) + _long(height))
    properties = _box(b"ipco", configuration + size)
    association = _full(b"ipma", _long(1) + _short(1) + b"\x02\x81\x02")
    return _full(b"meta", handler + primary + location + items + _box(b"iprp", properties + association))


def _box(kind: bytes, body: bytes) -> bytes:
    return _long(8 + len(body)) + kind + body


def _full(kind: bytes, body: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]) + body)


def _short(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _long(value: int) -> bytes:
    return value.to_bytes(4, "big")
