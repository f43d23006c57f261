"""Azure Blob Storage on loopback: Azurite, installed by npm as the lock file in azurite-npm/ pins it.

With ``tls`` it speaks HTTPS and takes bearer tokens, which a stand-in for Entra ID beside it gives out.
"""

import base64
import secrets
import shutil
import socket
import ssl
from hashlib import sha256
from pathlib import Path

from tools.devcluster.errors import DevClusterError
from tools.devcluster.layout import CACHE, locked
from tools.devcluster.longrun import run_long

from .certificates import CertificateAuthority
from .entra import EntraServer
from .server import Server, override

_PACKAGE = Path(__file__).parent / "azurite-npm"
_PROGRAM = "node_modules/azurite/dist/src/blob/main.js"
_INSTALL = "apt-get install -y --no-install-recommends nodejs npm"
_NPM_OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error")


def ensure_installed() -> Path:
    """Install what the lock file pins into .cache/, once for every state of it; answer the program."""
    lock = _PACKAGE / "package-lock.json"
    home = CACHE / "azurite" / sha256(lock.read_bytes()).hexdigest()[:12]
    with locked(home.with_suffix(".lock")):
        if not (home / "stamp").exists():
            for name in ("node", "npm"):
                if shutil.which(name) is None:
                    raise DevClusterError(f"{name} is missing; install it with\n  {_INSTALL}")
            home.mkdir(parents=True, exist_ok=True)
            for file in (_PACKAGE / "package.json", lock):
                shutil.copy(file, home)
            run_long("installing azurite", ["npm", "ci", *_NPM_OPTIONS], cwd=home)
            (home / "stamp").touch()
    return home / _PROGRAM


class AzuriteServer(Server):
    """A blob endpoint with one storage account: account keys and SAS, and with ``tls`` also bearer tokens."""

    def __init__(
        self, name: str = "azure", port: int | None = None, *, account: str = "videovector", tls: bool = False
    ) -> None:
        super().__init__(name, port)
        self.account = account
        self.tls = tls
        self.authority = CertificateAuthority(self.state / "pki")
        self.entra = EntraServer(f"{name}-entra")

    @property
    def endpoint(self) -> str:
        """For Connectors and clients, in place of https://ACCOUNT.blob.core.windows.net; the account is in the path."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/{self.account}"

    @property
    def account_key(self) -> str:
        """The account's key, in base64."""
        file = self.state / "account-key"
        if not file.exists():
            self.state.mkdir(parents=True, exist_ok=True)
            file.write_text(base64.b64encode(secrets.token_bytes(64)).decode())
        return file.read_text()

    def rotate_key(self) -> str:
        """Restart with a fresh key, which the old one's signatures and SAS do not outlive; answer it."""
        self.stop()
        (self.state / "account-key").unlink()
        self.start()
        return self.account_key

    @override
    def remove(self) -> None:
        """Stop it, and what gives out its tokens, and delete everything."""
        super().remove()
        self.entra.remove()

    @override
    def _prepare(self) -> list[str]:
        data = self.state / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = ["node", str(ensure_installed()), "--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        command += ["--location", str(data), "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        if self.tls:
            self.entra.start()
            certificate, key = self.authority.issue("azurite")
            command += ["--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
        return command

    @override
    def _environment(self) -> dict[str, str]:
        return {"AZURITE_ACCOUNTS": f"{self.account}:{self.account_key}"}

    @override
    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as plain:
                if self.tls:
                    context = ssl.create_default_context(cafile=str(self.authority.certificate))
                    context.wrap_socket(plain, server_hostname="127.0.0.1").close()
                return True
        except OSError:
            return False
