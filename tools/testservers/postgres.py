"""PostgreSQL from Debian's package, in a cluster of our own that is started as user postgres."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tools.devcluster.errors import DevClusterError

from .server import Server, override

_PROGRAMS = Path("/usr/lib/postgresql")
_INSTALL = "apt-get install -y --no-install-recommends postgresql"
_USER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # Survives a killed server; only a crash of the machine could lose data.
    "fsync": "off",
    "full_page_writes": "off",
}
_LEFTOVER_SECONDS = 60.0


class PostgresServer(Server):
    """A database server that trusts loopback; the only login is ``postgres``."""

    # TERM would wait for every client to go first.
    _stop_signal = signal.SIGINT

    def __init__(self, name: str = "postgres", port: int | None = None) -> None:
        super().__init__(name, port)

    @property
    def dsn(self) -> str:
        """The database ``postgres``."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """A libpq URL."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, database: str) -> str:
        """Make an empty database, for one test, and answer its DSN."""
        self._run(["createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, database])
        return self.dsn_of(database)

    def drop_database(self, database: str) -> None:
        """Drop it even while clients are connected."""
        self._run(["dropdb", "--force", "--if-exists", "-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, database])

    @override
    def remove(self) -> None:
        """Stop it and delete everything it kept, also outside .cache/."""
        self.stop()
        if self.state.exists():
            shutil.rmtree(self._data, ignore_errors=True)
        super().remove()

    @override
    def _prepare(self) -> list[str]:
        data = self._data
        if not (data / "PG_VERSION").exists():
            self._initialise(data)
        self._wait_for_leftovers(data)
        settings = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return [*_as_user(), str(_program("postgres")), "-D", str(data), "-p", str(self.port), *settings]

    @override
    def _is_ready(self) -> bool:
        command = [str(_program("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    @property
    def _data(self) -> Path:
        """Inside .cache/ if user postgres can reach it; a checkout below a private directory is out of its reach."""
        note = self.state / "location"
        if not note.exists():
            reachable = os.geteuid() != 0 or _others_may_enter(self.state)
            own = self.state / "data" if reachable else Path(tempfile.mkdtemp(prefix="videovector-postgres-")) / "data"
            note.write_text(str(own))
        return Path(note.read_text())

    def _initialise(self, data: Path) -> None:
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(data, *_user_ids())
            if data.parent != self.state:
                os.chown(data.parent, *_user_ids())
        options = ["--auth=trust", "--no-sync", f"--username={_USER}", "--encoding=UTF8", "--locale=C.UTF-8"]
        self._run(["initdb", *options, "-D", str(data)], prefix=_as_user())

    def _wait_for_leftovers(self, data: Path) -> None:
        """The children of a killed server take a moment to notice; a new one refuses to start beside them."""
        deadline = time.monotonic() + _LEFTOVER_SECONDS
        while _uses(data) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _run(self, command: list[str], *, prefix: list[str] | None = None) -> None:
        full = [*(prefix or []), str(_program(command[0])), *command[1:]]
        done = subprocess.run(full, capture_output=True, text=True, cwd="/", check=False)
        if done.returncode != 0:
            raise DevClusterError(f"{command[0]} failed: {done.stderr or done.stdout}")


def _program(name: str) -> Path:
    """The newest installed major version's program."""
    versions = [path for path in _PROGRAMS.glob("*/bin") if (path / "initdb").exists()]
    if not versions:
        raise DevClusterError(f"PostgreSQL is missing; install it with\n  {_INSTALL}")
    return max(versions, key=lambda path: float(path.parent.name)) / name


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root; setpriv becomes it in place, so the recorded pid stays right."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups", "--"]


def _user_ids() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(_USER)
    except KeyError:
        raise DevClusterError(f"there is no user {_USER}; install PostgreSQL with\n  {_INSTALL}") from None
    return entry.pw_uid, entry.pw_gid


def _others_may_enter(directory: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (directory, *directory.parents))


def _uses(data: Path) -> bool:
    """Whether any process still works in the data directory, as every PostgreSQL process does."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == data:
                return True
        except OSError:
            continue
    return False
