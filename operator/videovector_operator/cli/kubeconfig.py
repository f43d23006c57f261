"""Relative paths of a kubeconfig: they start at the folder of the file that holds them, not where the command is run.

`kubectl config view --flatten` reads certificates in, but leaves the paths of token files and login plugins as they are written,
and does not say of which file they are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def kubeconfig_files(explicit: str | None, environment: Mapping[str, str], home: Path) -> Sequence[Path]:
    """The files that kubectl reads, in its order: the first to name something wins."""
    if explicit:
        return [Path(explicit)]
    listed = [text for text in environment.get("KUBECONFIG", "").split(os.pathsep) if text]
    return [Path(text) for text in listed] or [home / ".kube" / "config"]


def resolve_paths(config: Json, files: Sequence[Path]) -> Json:
    """The kubeconfig of one context, with the paths of its user absolute."""
    entry: Json = next(iter(config.get("users") or ()), {})
    user: Json = entry.get("user") or {}
    plugin: Json = user.get("exec") or {}
    token_file, command = str(user.get("tokenFile") or ""), str(plugin.get("command") or "")
    # A command without a slash is looked for on PATH.
    is_relative = (bool(token_file) and not Path(token_file).is_absolute()) or (
        "/" in command and not Path(command).is_absolute()
    )
    folder = _folder_of(str(entry.get("name")), files) if is_relative else None
    if folder is None:
        return config
    changed = dict(user)
    if token_file:
        changed["tokenFile"] = str(folder / token_file)
    if "/" in command:
        changed["exec"] = {**plugin, "command": str(folder / command)}
    return {**config, "users": [{**entry, "user": changed}]}


def _folder_of(user: str, files: Sequence[Path]) -> Path | None:
    """Folder of the first file that names the user; None = no file that can be read does."""
    import yaml

    for file in files:
        try:
            parsed = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, yaml.YAMLError):
            continue
        users = parsed.get("users") if isinstance(parsed, dict) else None
        if isinstance(users, list) and any(isinstance(entry, dict) and entry.get("name") == user for entry in users):
            return file.parent.absolute()
    return None
