"""Google service accounts that exist only for one test server: keys, key files, and what each may do.

The server's front reads the same file that tests write here; nothing that knows HTTP may enter.
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .jsonfile import JsonFile

OBJECT_PERMISSIONS = frozenset(f"storage.objects.{verb}" for verb in ("list", "get", "create", "delete"))
READ_ONLY = frozenset({"storage.objects.list", "storage.objects.get"})
EVERYTHING = (
    OBJECT_PERMISSIONS
    | {"storage.objects.update"}
    | {f"storage.buckets.{verb}" for verb in ("list", "get", "create", "delete")}
)
_EVERY_BUCKET = "*"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """One account with its newest private key."""

    email: str
    project: str
    key_id: str
    private_key: str = field(repr=False)

    def key_file(self) -> str:
        """What the cloud console would offer for download: the text of credentials.json."""
        content = {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": self.key_id,
            "private_key": self.private_key,
            "client_email": self.email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": "https://oauth2.googleapis.com/token",
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{self.email.replace('@', '%40')}",
            "universe_domain": "googleapis.com",
        }
        return json.dumps(content, indent=2)


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What the server knows of an account: its public key and its permissions by bucket."""

    email: str
    key_id: str
    public_key: str
    grants: Mapping[str, frozenset[str]]

    def may(self, permission: str, bucket: str) -> bool:
        """A grant for the bucket replaces the one for every bucket."""
        return permission in self.grants.get(bucket, self.grants.get(_EVERY_BUCKET, frozenset()))


class AccountBook:
    """The accounts of one server: email → what is known."""

    def __init__(self, path: Path) -> None:
        self._file = JsonFile(path)

    def create(self, name: str, project: str, permissions: Iterable[str]) -> ServiceAccount:
        """Register an account with a fresh key, valid for every bucket. The same name again rotates the key."""
        account, public_key = make_account(name, project)
        grants = {_EVERY_BUCKET: sorted(permissions)}
        with self._file.changing() as accounts:
            accounts[account.email] = {"keyId": account.key_id, "publicKey": public_key, "grants": grants}
        return account

    def grant(self, email: str, permissions: Iterable[str], bucket: str | None = None) -> None:
        """Replace what an account may do in one bucket, or in every bucket that has no grant of its own."""
        with self._file.changing() as accounts:
            accounts[email]["grants"][bucket or _EVERY_BUCKET] = sorted(permissions)

    def forget(self, email: str) -> None:
        """Delete the account; its tokens are refused from now on."""
        with self._file.changing() as accounts:
            accounts.pop(email, None)

    def find(self, email: str) -> KnownAccount | None:
        """Look an account up in the file's present state."""
        entry = self._file.read().get(email)
        if entry is None:
            return None
        grants = {bucket: frozenset(permissions) for bucket, permissions in entry["grants"].items()}
        return KnownAccount(email, entry["keyId"], entry["publicKey"], grants)


def make_account(name: str, project: str) -> tuple[ServiceAccount, str]:
    """Make an account with a fresh RSA key, and its public key; registered nowhere, so every server refuses it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    email = f"{name}@{project}.iam.gserviceaccount.com"
    return ServiceAccount(email, project, secrets.token_hex(20), private.decode()), public.decode()
