"""A process that looks for its Azure identity, in an environment that a test makes up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_OPERATOR = Path(__file__).parents[2] / "operator"
_ASK = """
import os
from videovector_operator.core.sources import AzureSource
from videovector_operator.errors import StorageError
from videovector_operator.storage.azure_identity import build_ambient_tokens
source = AzureSource("account", "media", None, os.environ.get("TENANT"), os.environ.get("CLIENT"))
try:
    print("token", build_ambient_tokens(source, os.environ)())
except StorageError as error:
    print(type(error).__name__, error.code or "-", error.message)
"""


def ask_environment(**environment: str) -> str:
    """Ask in a process of its own, which has this environment and no other; no metadata service is asked but one on loopback.

    TENANT and CLIENT are the source's. Answers "token …", or error, code and message.
    """
    plain = {"PYTHONPATH": str(_OPERATOR), "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}
    command = [sys.executable, "-c", _ASK]
    ran = subprocess.run(command, capture_output=True, text=True, env={**plain, **environment}, timeout=120, check=True)
    assert ran.stderr == "", "the libraries' own warnings stay out of the log"
    return ran.stdout.strip()
