"""An object of which only some ranges are known, and the file-like view of it that libav reads.

Nobody here waits for bytes: a range that is not known is reported by `MissingBytes`, whoever probes fetches it and starts
over (a start costs a fraction of a millisecond). So no thread is held during a request, however slow the storage is.
No I/O may enter.
"""

from __future__ import annotations

import os

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.errors import MediaError

BLOCK_BYTES = 64 * 1024
"""Missing ranges are widened to whole blocks of this size."""
GAP_BYTES = 2 * BLOCK_BYTES
"""A gap up to this is read along: libav reads over short distances where it could seek."""


class MissingBytes(Exception):  # noqa: N818 - a request, not an error
    """The range ``start``, ``length`` of the object is needed to go on; it lies within the object."""

    def __init__(self, start: int, length: int) -> None:
        super().__init__(f"bytes {start} to {start + length} are needed")
        self.start = start
        self.length = length


class PartialObject:
    """The known ranges of an object of ``size`` bytes. ``bytes_read`` counts all that was fetched for it."""

    __slots__ = ("_ranges", "bytes_read", "size")

    def __init__(self, size: int, head: bytes = b"") -> None:
        self.size = size
        self.bytes_read = 0
        self._ranges: list[tuple[int, bytes]] = []
        if head:
            self.add(0, head)

    @property
    def is_complete(self) -> bool:
        """True when one range holds the whole object."""
        return any(start == 0 and len(data) >= self.size for start, data in self._ranges)

    def add(self, start: int, data: bytes) -> None:
        """Remember a range; one that continues a known one is joined to it."""
        self.bytes_read += len(data)
        for at, (known_start, known) in enumerate(self._ranges):
            if known_start <= start <= known_start + len(known) < start + len(data):
                self._ranges[at] = (known_start, known + data[known_start + len(known) - start :])
                return
        self._ranges.append((start, data))

    def available(self, start: int, length: int) -> bytes:
        """Whatever is known from ``start`` on, at most ``length`` bytes; b"" when nothing is."""
        best = b""
        for known_start, data in self._ranges:
            offset = start - known_start
            if 0 <= offset < len(data) and len(data) - offset > len(best):
                best = data[offset : offset + length]
                if len(best) == length:
                    break
        return best

    def exact(self, start: int, length: int) -> bytes:
        """Exactly these bytes. Raises MissingBytes, or MediaError(TruncatedMedia) when they lie behind the object's end."""
        if start + length > self.size:
            raise MediaError(
                FileReason.TRUNCATED_MEDIA,
                f"the file is cut off: its header points to byte {start + length}, it has {self.size} bytes",
            )
        data = self.available(start, length)
        if len(data) < length:
            raise self.missing(start, length)
        return data

    def missing(self, start: int, length: int) -> MissingBytes:
        """The request for a range: without what is known of it, joined to a known range shortly before it, in whole blocks."""
        wanted_end = start + max(length, 1)
        start += len(self.available(start, length))
        ends = [known_start + len(data) for known_start, data in self._ranges]
        start = max((end for end in ends if start - GAP_BYTES <= end <= start), default=start)
        end = min(self.size, -(-wanted_end // BLOCK_BYTES) * BLOCK_BYTES)
        return MissingBytes(start, max(end - start, 1))


class PartialReader:
    """What libav reads from. In ``optional`` ranges (media data, not headers) unknown bytes look like the end of the file,
    in ``hidden`` ones known bytes do too.

    Elsewhere an unknown byte sets ``needed``: whatever libav made of the file then is worthless, and the probe starts over.
    """

    __slots__ = ("_content", "_hidden", "_optional", "_position", "needed")

    def __init__(
        self, content: PartialObject, optional: tuple[range, ...] = (), hidden: tuple[range, ...] = ()
    ) -> None:
        self._content = content
        self._optional = optional
        self._hidden = hidden
        self._position = 0
        self.needed: MissingBytes | None = None

    def read(self, length: int) -> bytes:
        """At most ``length`` bytes; b"" at the end and where nothing is known."""
        for part in self._hidden:
            if self._position < part.stop:
                length = min(length, max(0, part.start - self._position))
        if self._position >= self._content.size or length <= 0:
            return b""
        data = self._content.available(self._position, length)
        if not data and self.needed is None and not any(self._position in part for part in self._optional):
            self.needed = self._content.missing(self._position, length)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; the new position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._content.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position
