"""A mounted Secret or ConfigMap, as the kubelet keeps it: a directory whose files change all at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class MountedVolume:
    """``path`` is what a pod sees. Nothing is there before the first `write`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._states = 0
        path.mkdir()

    def write(self, values: Mapping[str, str]) -> None:
        """Bring new content, as the kubelet does: a new directory, one link moved to it, the old directory removed."""
        self._states += 1
        state, old = self.path / f"..state-{self._states}", self.path / f"..state-{self._states - 1}"
        state.mkdir()
        for name, text in values.items():
            (state / name).write_text(text)
        link = self.path / "..data_tmp"
        link.symlink_to(state.name)
        link.replace(self.path / "..data")
        for name in values:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(Path("..data") / name)
        for file in list(self.path.iterdir()):
            if not file.name.startswith("..") and file.name not in values:
                file.unlink()
        for file in old.glob("*"):
            file.unlink()
        if old.exists():
            old.rmdir()
