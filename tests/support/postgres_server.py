"""A PostgreSQL of our own on a free loopback port: `initdb`, start, stop, restart, one fresh database a test."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresServer:
    """One cluster in a directory of its own. Runs as user postgres when started by root, else as the current user."""

    def __init__(self, directory: Path, port: int, settings: tuple[str, ...] = ()) -> None:
        self.port = port
        self._data = directory / "data"
        self._log = directory / "log"
        self._numbers = itertools.count(1)
        options = (f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={directory}", *settings)
        self._options = " ".join(f"-c {option}" for option in options)

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        self._run(
            "initdb",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "-D",
            str(self._data),
        )

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-t", "30", "-D", str(self._data), "-l", str(self._log), "-o", self._options, "start")

    def stop(self, mode: str = "fast") -> None:
        """End the server: "fast" rolls back and disconnects, "immediate" is a crash."""
        self._run("pg_ctl", "-w", "-t", "30", "-D", str(self._data), "-m", mode, "stop")

    def create_database(self, template: str = "template0") -> str:
        """Make a fresh database; returns its name."""
        name = f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)
        return name

    def drop_database(self, name: str) -> None:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(_binaries() / program), *arguments]
        user = "postgres" if os.geteuid() == 0 else None
        # pg_ctl's server inherits the pipes: a file ends with the command, a pipe would not.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(command, user=user, stdout=output, stderr=output, cwd="/", timeout=60, check=False)
            output.seek(0)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed: {output.read().decode(errors='replace')}")


@contextlib.contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Start a server and end it, leaving nothing behind. ``durable`` keeps fsync as in production (benchmarks)."""
    directory = Path(tempfile.mkdtemp(prefix="videovector-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres", "postgres")
        server = PostgresServer(directory, _free_port(), () if durable else _FAST)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(RuntimeError):  # a test may have left it stopped
                server.stop("immediate")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql (nothing of it needs to run)")
    return installed[-1].parent
