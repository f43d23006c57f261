"""Google service accounts that exist only for one test server: keys, key files, and what each may do.

The server's front reads the same file that tests write here; nothing that knows HTTP may enter.
"""

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.devcluster.layout import locked

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
    """The accounts of one server, in a file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._accounts: dict[str, KnownAccount] = {}

    def create(self, name: str, project: str, permissions: Iterable[str]) -> ServiceAccount:
        """Register an account with a fresh key, valid for every bucket. The same name again rotates the key."""
        account, public_key = make_account(name, project)
        with self._changing() as accounts:
            grants = {_EVERY_BUCKET: frozenset(permissions)}
            accounts[account.email] = KnownAccount(account.email, account.key_id, public_key, grants)
        return account

    def grant(self, email: str, permissions: Iterable[str], bucket: str | None = None) -> None:
        """Replace what an account may do in one bucket, or in every bucket that has no grant of its own."""
        with self._changing() as accounts:
            old = accounts[email]
            grants = {**old.grants, bucket or _EVERY_BUCKET: frozenset(permissions)}
            accounts[email] = KnownAccount(old.email, old.key_id, old.public_key, grants)

    def forget(self, email: str) -> None:
        """Delete the account; its tokens are refused from now on."""
        with self._changing() as accounts:
            accounts.pop(email, None)

    def find(self, email: str) -> KnownAccount | None:
        """Look an account up in the file's present state."""
        return self._read().get(email)

    def _read(self) -> dict[str, KnownAccount]:
        try:
            state = self._path.stat()
        except FileNotFoundError:
            return {}
        if (signature := (state.st_ino, state.st_mtime_ns)) != self._seen:
            entries = json.loads(self._path.read_text())
            self._accounts = {entry["email"]: _from_json(entry) for entry in entries}
            self._seen = signature
        return self._accounts

    @contextmanager
    def _changing(self) -> Iterator[dict[str, KnownAccount]]:
        """Read, change and replace the file under a lock."""
        with locked(self._path.with_suffix(".lock")):
            accounts = dict(self._read())
            yield accounts
            new = self._path.with_suffix(f".new-{os.getpid()}")
            new.write_text(json.dumps([_to_json(account) for account in accounts.values()]))
            new.replace(self._path)


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


def _to_json(account: KnownAccount) -> dict[str, object]:
    grants = {bucket: sorted(permissions) for bucket, permissions in account.grants.items()}
    return {"email": account.email, "keyId": account.key_id, "publicKey": account.public_key, "grants": grants}


def _from_json(entry: Mapping[str, Any]) -> KnownAccount:
    grants = {bucket: frozenset(permissions) for bucket, permissions in entry["grants"].items()}
    return KnownAccount(entry["email"], entry["keyId"], entry["publicKey"], grants)
