"""A stand-in for Google's metadata server, and a process that looks for its identity there."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from videovector_operator.storage.gcs_credentials import SCOPE

_OPERATOR = Path(__file__).parents[2] / "operator"
_CHAIN = """
from videovector_operator.errors import StorageError
from videovector_operator.storage.gcs_credentials import DefaultChain
chain = DefaultChain()
try:
    print(chain(), chain(), chain.forget() or chain())
except StorageError as error:
    print(type(error).__name__, error.message)
"""


def ask_chain(directory: Path, **environment: str) -> str:
    """Ask in a process of its own, which has this environment and no other: google-auth reads some of it when imported."""
    plain = {"PYTHONPATH": str(_OPERATOR), "CLOUDSDK_CONFIG": str(directory), "GOOGLE_CLOUD_PROJECT": "p"}
    command = [sys.executable, "-c", _CHAIN]
    ran = subprocess.run(command, capture_output=True, text=True, env={**plain, **environment}, timeout=120, check=True)
    return ran.stdout.strip()


@contextmanager
def metadata_server(*, status: int = 200) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Stand in for the metadata server that GKE puts beside each pod; gives how to find it, and the paths asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            is_token = "/token" in self.path
            body = {"access_token": f"token-{len(asked)}", "expires_in": 3599, "token_type": "Bearer"}
            text = json.dumps(body if is_token else {"email": "pod@p.iam", "scopes": [SCOPE]}).encode()
            self.send_response(status if is_token else 200)
            for name, value in (("Metadata-Flavor", "Google"), ("Content-Type", "application/json")):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    host = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield dict.fromkeys(("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"), host), asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
