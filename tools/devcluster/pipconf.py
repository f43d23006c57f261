"""Hand this machine's pip configuration to one image build as secrets; nothing here may be printed or kept.

A Dockerfile finds it in /run/secrets/pipconf (a pip.conf) and /run/secrets/ca (certificates, possibly empty).
"""

import ast
import subprocess
import sys
from pathlib import Path

_SOURCES = (
    "index-url",
    "extra-index-url",
    "find-links",
    "trusted-host",
    "no-index",
    "timeout",
    "default-timeout",
    "retries",
)


def build_options(directory: Path) -> list[str]:
    """Write the secrets into a directory that the caller removes; answer the options for `buildah bud`."""
    settings = _settings()
    volumes = []
    links = settings.get("find-links", "").split()
    for number, link in enumerate(links):
        if Path(link).is_dir():
            # Mounted under a name of ours: the mount point stays behind in the layer.
            links[number] = f"/run/wheels-{number}"
            volumes.append(f"--volume={link}:{links[number]}:ro")
    if links:
        settings["find-links"] = " ".join(links)
    certificates = settings.get("cert", "")
    lines = ["[global]", *(f"{key} = {settings[key]}" for key in _SOURCES if key in settings)]
    if certificates:
        lines.append("cert = /run/secrets/ca")
    (directory / "pipconf").write_text("\n".join([*lines, ""]))
    (directory / "ca").write_bytes(Path(certificates).read_bytes() if certificates else b"")
    return [*(f"--secret=id={name},src={directory / name}" for name in ("pipconf", "ca")), *volumes]


def _settings() -> dict[str, str]:
    """Ask for pip's own view of its files and environment; the environment wins, as it does in pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    settings = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, quoted = line.partition("=")
        settings[key.rpartition(".")[2]] = str(ast.literal_eval(quoted))
    return settings
