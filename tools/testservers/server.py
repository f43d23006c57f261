"""What all servers share: a directory, a port that survives restarts, a recorded process.

What is particular to one server belongs in its own file.
"""

import abc
import contextlib
import http.client
import shutil
import signal
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tools.devcluster import processes
from tools.devcluster.errors import DevClusterError
from tools.devcluster.layout import CACHE, locked
from tools.testservers.ports import free_port

if TYPE_CHECKING:
    from typing_extensions import override as override  # noqa: PLC0414 - for the files beside this one
else:

    def override(method):  # noqa: ANN001, ANN201 - the branch above has the types
        """Stand in for typing.override, which Python 3.11 does not have; only the type checker needs it."""
        return method


_STATE = CACHE / "testservers"
_READY_SECONDS = 120.0


class Server(abc.ABC):
    """One server under a name; the same name finds the same running server again, also from another process.

    Used as a context manager it is started on entry and removed, with its data, on exit.
    """

    _stop_signal = signal.SIGTERM

    def __init__(self, name: str, port: int | None = None) -> None:
        self.name = name
        self.state: Path = _STATE / name
        self._wanted_port = port

    @property
    def port(self) -> int:
        """Chosen once and kept, so that clients find a restarted server where it was."""
        file = self.state / "port"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(str(self._wanted_port or free_port()))
        return int(file.read_text())

    @property
    def running(self) -> bool:
        """Whether the recorded process lives; it may still be starting."""
        return processes.recorded(self._record) is not None

    def start(self) -> Self:
        """Start on the data that is there, unless it runs already; answers once it is ready."""
        with locked(self.state.with_suffix(".lock")):
            if not self.running:
                self.state.mkdir(parents=True, exist_ok=True)
                self._refuse_foreign_listener()
                processes.spawn(self._prepare(), record=self._record, log=self.log, env=self._environment())
            self._wait_ready()
        return self

    def stop(self) -> None:
        """End it in its own way and keep the data."""
        processes.stop(self._record, number=self._stop_signal)

    def kill(self) -> None:
        """End it without warning, as a crash would; the data stays."""
        processes.kill(self._record)

    def restart(self) -> None:
        """Stop and start on the same port and data."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop it and delete everything it kept."""
        self.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.with_suffix(".lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            _STATE.rmdir()

    @property
    def log(self) -> Path:
        """What the server printed, over all its runs."""
        return self.state / "log"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def _record(self) -> Path:
        return self.state / "pid"

    @abc.abstractmethod
    def _prepare(self) -> list[str]:
        """Make what has to exist before the server starts, and answer its command line."""

    def _environment(self) -> dict[str, str]:
        return {}

    @abc.abstractmethod
    def _is_ready(self) -> bool:
        """Whether the server answers."""

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            if not self.running or time.monotonic() > deadline:
                raise DevClusterError(f"{self.name} does not become ready; its log says:\n{processes.tail(self.log)}")
            time.sleep(0.02)

    def _refuse_foreign_listener(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            raise DevClusterError(f"127.0.0.1:{self.port} is taken by a process that {self.name} did not start")


def answers(port: int, path: str) -> bool:
    """Whether a plain-HTTP server on loopback answers a GET with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
