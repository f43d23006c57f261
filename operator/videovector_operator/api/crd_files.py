"""CRD manifests as files: what ``make generate`` writes and ``make verify`` compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from videovector_operator.api.crd import build_crd
from videovector_operator.api.kinds import KINDS
from videovector_operator.api.v1alpha1.common import API_GROUP

_HEADER = "# Generated from the models by: make generate. Do not edit.\n"


class _PlainDumper(yaml.SafeDumper):
    """Writes every node out: anchors and aliases are legal YAML that nobody wants to read."""

    @override
    def ignore_aliases(self, data: Any) -> bool:
        return True


def render_crds() -> dict[str, str]:
    """All CRD files: name → text."""
    return {
        f"{API_GROUP}_{info.plural}.yaml": _HEADER
        + yaml.dump(build_crd(info), Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)
        for info in KINDS
    }


def write_crds(directory: Path, *, check: bool = False) -> list[str]:
    """Write the files; returns the names of those that differed. ``check`` writes nothing."""
    differing = []
    for name, text in render_crds().items():
        path = directory / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        differing.append(name)
        if not check:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return differing
