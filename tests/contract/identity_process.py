"""A process that tests its access to a source, in an environment that a test makes up: who it is, only that says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

OPERATOR = Path(__file__).parents[2] / "operator"
SCRIPT = """
import asyncio, json, sys
from videovector_operator.core.sources import AzureSource, GcsSource, S3Source
from videovector_operator.errors import StorageError
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.port import StorageOptions

async def main(kind, fields, allow_loopback):
    options = StorageOptions(60.0, 1, EndpointPolicy(allow_loopback))
    storage = open_storage({"s3": S3Source, "gcs": GcsSource, "azure": AzureSource}[kind](**fields), options)
    try:
        await storage.test_access()
        print("no error")
    except StorageError as error:
        print(type(error).__name__, error.message)
    await storage.close()

asyncio.run(main(*json.loads(sys.argv[1])))
"""


def run(kind: str, fields: dict[str, str], environment: dict[str, str], *, allow_loopback: bool = False) -> str:
    """Test the access of a source in a process of its own; gives what came of it."""
    command = [sys.executable, "-c", SCRIPT, json.dumps([kind, fields, allow_loopback])]
    environment = {"PYTHONPATH": str(OPERATOR), **environment}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()
