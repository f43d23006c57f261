"""The proxy as a process, under a name like every other test server; orders go to it over a Unix socket."""

import json
import os
import socket
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from tools.devcluster.errors import DevClusterError
from tools.devcluster.layout import REPOSITORY
from tools.testservers.certificates import CertificateAuthority
from tools.testservers.server import Server, override

from .effects import Effect, Fault, to_json
from .record import Seen, peak_rate

_ANSWER_SECONDS = 10.0


class FaultProxyServer(Server):
    """The methods are those of ``FaultProxy``. With ``tls`` it speaks HTTPS, by a certificate of ``authority``."""

    def __init__(
        self,
        upstream: str,
        name: str = "faults",
        port: int | None = None,
        *,
        tls: bool = False,
        trust: Path | None = None,
    ) -> None:
        super().__init__(name, port)
        self._upstream = upstream
        self._tls = tls
        self._trust = trust
        self.authority = CertificateAuthority(self.state / "pki")

    @property
    def endpoint(self) -> str:
        """For clients."""
        return str(self._order("endpoint"))

    def inject(
        self, effect: Effect, *, methods: str = ".*", target: str = "", times: int | None = 1, skip: int = 0
    ) -> None:
        """Let the effect happen to the next ``times`` requests (None: until cleared) after ``skip`` ones that match."""
        self._order("inject", to_json(Fault(effect, methods, target, times, skip)))

    def clear(self) -> None:
        """Take all faults back."""
        self._order("clear")

    def requests(self, methods: str = ".*", target: str = "") -> list[Seen]:
        """Answer what has come so far and matches, oldest first."""
        return [Seen(**content) for content in self._order("requests", {"methods": methods, "target": target})]

    def forget(self) -> None:
        """Begin the record anew."""
        self._order("forget")

    def peak_rate(self, seconds: float = 1.0) -> float:
        """Answer the most requests a second over any span of that length."""
        return peak_rate(self.requests(), seconds)

    @property
    def most_at_once(self) -> int:
        """The most requests that were open at one moment."""
        return int(self._order("most_at_once"))

    @override
    def _prepare(self) -> list[str]:
        command = [sys.executable, "-m", "tools.testservers.faultproxy", "--port", str(self.port)]
        command += ["--upstream", self._upstream, "--control", str(self._control)]
        if self._trust is not None:
            command += ["--trust", str(self._trust)]
        if self._tls:
            certificate, key = self.authority.issue("faultproxy")
            command += ["--cert", str(certificate), "--key", str(key)]
        return command

    @override
    def _environment(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))}

    @override
    def _is_ready(self) -> bool:
        try:
            self._order("endpoint")
        except (OSError, ValueError):
            return False
        return True

    @property
    def _control(self) -> Path:
        """Not below the state's path, which may be longer than a socket's may be."""
        name = sha256(str(self.state).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"videovector-faults-{name}.sock"

    @override
    def remove(self) -> None:
        """Stop it and delete what it kept."""
        super().remove()
        self._control.unlink(missing_ok=True)

    def _order(self, do: str, content: Any = None) -> Any:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(self._control))
            connection.sendall(json.dumps({"do": do, "content": content}).encode() + b"\n")
            with connection.makefile("rb") as file:
                answer = json.loads(file.read())
        if "error" in answer:
            raise DevClusterError(f"{self.name}: {answer['error']}")
        return answer["result"]
