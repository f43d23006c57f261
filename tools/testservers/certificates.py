"""A certificate authority of a test server's own, made with openssl: what clients trust, and what servers show."""

import subprocess
from pathlib import Path

from tools.devcluster.errors import DevClusterError
from tools.devcluster.layout import locked
from tools.devcluster.tools import path_of, require

_DAYS = "30"
_HOSTS = "IP:127.0.0.1,DNS:localhost"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_IDENTIFIERS = ("subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid")


class CertificateAuthority:
    """One directory with ``ca.crt`` for clients, and a certificate and a key for each server."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def certificate(self) -> Path:
        """What clients must trust, as PEM; made when first asked for."""
        target = self._directory / "ca.crt"
        with locked(self._directory / "lock"):
            if not target.exists():
                usage = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
                self._make("ca", "test authority", *usage, "subjectKeyIdentifier=hash")
        return target

    def issue(self, server: str, hosts: str = _HOSTS) -> tuple[Path, Path]:
        """Make certificate and key of a server for these addresses and names (as openssl writes them)."""
        signed_by = ("-CA", str(self.certificate), "-CAkey", str(self._directory / "ca.key"))
        usage = ("basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth", f"subjectAltName={hosts}")
        return self._make(server, server, *usage, *_IDENTIFIERS, signed_by=signed_by)

    def _make(self, file: str, name: str, *extensions: str, signed_by: tuple[str, ...] = ()) -> tuple[Path, Path]:
        require("openssl")
        certificate, key = self._directory / f"{file}.crt", self._directory / f"{file}.key"
        config = self._directory / "empty.conf"
        config.write_text("[req]\ndistinguished_name = name\nprompt = no\n[name]\n")
        command = [path_of("openssl"), "req", "-x509", "-config", str(config), *_KEY, "-days", _DAYS, *signed_by]
        command += ["-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate)]
        command += [part for extension in extensions for part in ("-addext", extension)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DevClusterError(f"making the certificate of {name} failed: {done.stderr}")
        return certificate, key
