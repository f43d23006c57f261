"""The chart's start script of PostgreSQL with real programs: first start, later starts, passwords, shutdown."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from tests.support.helm import CHART
from tools.testservers.ports import free_port

pytestmark = pytest.mark.contract

PROGRAMS = max(
    Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), default=Path("/none")
)
SECONDS = 120.0
# A quote must survive the script's SQL; psycopg gets it as a parameter of its own.
PASSWORD = "it's-0dd"


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that user postgres may reach: PostgreSQL does not run as root."""
    with TemporaryDirectory(prefix="videovector-chart-postgres-") as directory:
        home = Path(directory)
        home.chmod(0o755)
        for name in ("data", "socket"):
            (home / name).mkdir()
        (home / "password").write_text(PASSWORD)
        (home / "start.sh").write_bytes((CHART / "files" / "start-postgres.sh").read_bytes())
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres", directory], check=True)
        yield home


class Server:
    """One run of the script, as the container runs it."""

    def __init__(self, home: Path, programs: Path = PROGRAMS) -> None:
        self.home = home
        self.port = free_port()
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.geteuid() == 0 else []
        environment = {
            "PATH": "/usr/bin:/bin",
            "PGDATA": str(home / "data" / "pg"),
            "POSTGRES_BIN": str(programs),
            "PASSWORD_FILE": str(home / "password"),
            "SOCKET_DIRECTORY": str(home / "socket"),
        }
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}"]
        with (home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*become, "/bin/sh", str(home / "start.sh"), *options],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=home,
            )

    def connect(self, password: str = PASSWORD) -> psycopg.Connection[tuple[object, ...]]:
        """Connect over TCP, as operator and workers do, as soon as it is possible."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return psycopg.connect(
                    host="127.0.0.1", port=self.port, user="videovector", dbname="videovector", password=password
                )
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error) or time.monotonic() > deadline:
                    raise
                assert self.process.poll() is None, self.log()
                time.sleep(0.05)

    def stop(self) -> int:
        """What the kubelet does; PostgreSQL must not wait for its clients."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(SECONDS)

    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(programs: Path = PROGRAMS) -> Server:
        servers.append(Server(home, programs))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def test_first_start_makes_the_database_and_later_ones_keep_it(start: Callable[[], Server]) -> None:
    server = start()
    with server.connect() as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    assert server.stop() == 0, server.log()
    again = start()
    with again.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    assert "initialize" not in again.log().lower().partition("ready to accept connections")[2]


def test_wrong_password_is_refused_from_everywhere(start: Callable[[], Server]) -> None:
    server = start()
    server.connect().close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect("wrong")


def test_password_of_the_secret_counts_also_for_an_old_volume(start: Callable[[], Server], home: Path) -> None:
    first = start()
    first.connect().close()
    first.stop()
    (home / "password").write_text("another")
    second = start()
    second.connect("another").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        second.connect(PASSWORD)
    assert "another" not in second.log()
    assert PASSWORD not in second.log()


def test_end_does_not_wait_for_clients(start: Callable[[], Server]) -> None:
    server = start()
    connection = server.connect()
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < SECONDS / 2
    assert "database system is shut down" in server.log()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")


def build_endless_initdb(home: Path) -> Path:
    """Programs whose initdb does its work and does not come back: however late it is killed, it is in the middle."""
    programs = home / "programs"
    programs.mkdir()
    (programs / "initdb").write_text(f'#!/bin/sh\n"{PROGRAMS}/initdb" "$@" && exec sleep 600\n')
    (programs / "initdb").chmod(0o755)
    return programs


def test_pod_killed_during_the_first_start_begins_afresh(start: Callable[..., Server], home: Path) -> None:
    unfinished = home / "data" / "pg.new"
    server = start(build_endless_initdb(home))
    deadline = time.monotonic() + SECONDS
    while not (unfinished / "PG_VERSION").exists():
        assert time.monotonic() < deadline, server.log()
        assert server.process.poll() is None, server.log()
        time.sleep(0.001)
    server.kill()
    assert unfinished.exists()
    assert not (home / "data" / "pg").exists()
    start().connect().close()
    assert not unfinished.exists()


def test_server_that_cannot_start_ends_the_container(home: Path) -> None:
    server = Server(home, programs=home)
    try:
        assert server.process.wait(SECONDS) != 0
        assert "initdb" in server.log()
    finally:
        server.kill()
