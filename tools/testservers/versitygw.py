"""The S3 gateway (versitygw): real signatures, users, policies and conditional writes over a directory."""

import os
import subprocess
from pathlib import Path

from tools.devcluster import build
from tools.devcluster.errors import DevClusterError

from .server import Server, answers, override

MODULE = build.GoModule("versitygw", Path(__file__).parent, {"versitygw": "github.com/versity/versitygw/cmd/versitygw"})


class VersityGateway(Server):
    """An S3 endpoint of its own, reachable from the tests and from every pod of the development cluster."""

    def __init__(
        self,
        name: str = "s3",
        port: int | None = None,
        *,
        access_key: str = "root-access",
        secret_key: str = "root-secret",
        versioning: bool = False,
    ) -> None:
        super().__init__(name, port)
        self.access_key = access_key
        self.secret_key = secret_key
        self._versioning = versioning

    @property
    def endpoint(self) -> str:
        """For clients with path-style addressing; any region is accepted."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """One directory a bucket."""
        return self.state / "data"

    def create_user(self, access: str, secret: str, role: str = "user") -> None:
        """Add a user, who may do nothing until a bucket policy says so (roles: user, userplus, admin)."""
        self._administer("create-user", "--access", access, "--secret", secret, "--role", role)

    def delete_user(self, access: str) -> None:
        """Remove a user: the keys are refused from now on."""
        self._administer("delete-user", "--access", access)

    def _administer(self, action: str, *options: str) -> None:
        command = [build.program("versitygw"), "admin", action, *options]
        environment = {
            "ADMIN_ACCESS_KEY_ID": self.access_key,
            "ADMIN_SECRET_ACCESS_KEY": self.secret_key,
            "ADMIN_ENDPOINT_URL": self.endpoint,
        }
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DevClusterError(f"versitygw admin {action} failed: {done.stderr or done.stdout}")

    @override
    def _prepare(self) -> list[str]:
        build.ensure(MODULE)
        users = self.state / "users"
        for directory in (self.data, users):
            directory.mkdir(parents=True, exist_ok=True)
        command = [build.program("versitygw"), "--port", f"127.0.0.1:{self.port}", "--iam-dir", str(users)]
        command += ["--iam-cache-disable", "--health", "/healthz", "--quiet", "--keep-alive", "posix"]
        if self._versioning:
            command += ["--versioning-dir", _made(self.state / "versions")]
        if not _keeps_attributes(self.state):
            command += ["--sidecar", _made(self.state / "attributes")]
        return [*command, str(self.data)]

    @override
    def _environment(self) -> dict[str, str]:
        return {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}

    @override
    def _is_ready(self) -> bool:
        return answers(self.port, "/healthz")


def _made(directory: Path) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    return str(directory)


def _keeps_attributes(directory: Path) -> bool:
    """Object metadata lives in extended attributes, which not every file system has."""
    try:
        os.setxattr(directory, "user.videovector", b"probe")
    except OSError:
        return False
    os.removexattr(directory, "user.videovector")
    return True
