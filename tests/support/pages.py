"""The Markdown pages of the repository, the manifests written in them, and those of the examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MARKDOWN = sorted(
    path
    for start in ("*.md", "docs/**/*.md", "charts/*/*.md", "examples/**/*.md", "tools/**/*.md")
    for path in ROOT.glob(start)
)
PAGES = {path: path.read_text(encoding="utf-8") for path in MARKDOWN}
_GROUP = "videovector.io/"


def of(path: Path) -> str:
    """How a test names a file."""
    return str(path.relative_to(ROOT))


def written_manifests() -> Iterator[tuple[str, str, list[Json]]]:
    """Every yaml block of the pages that holds objects of ours: its name, its text, its documents."""
    for path, page in PAGES.items():
        for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)):
            documents = [document for document in yaml.safe_load_all(text) if document]
            if any(str(document.get("apiVersion", "")).startswith(_GROUP) for document in documents):
                yield f"{of(path)}-{number}", text, documents
