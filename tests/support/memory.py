"""How much memory this process has used at most since a moment, by the kernel's own account."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")


class PeakMemory:
    """Counts from its making on; ``growth`` is in bytes."""

    def __init__(self) -> None:
        # 5 resets the peak (VmHWM) to what is resident now.
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _read("VmRSS")

    @property
    def growth(self) -> int:
        return _read("VmHWM") - self._before


def _read(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(field)
