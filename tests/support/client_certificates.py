"""A certificate authority that signs clients, as a cluster's does: common name = user, organisations = groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Identity:
    """A client's certificate and key, as files."""

    certificate: Path
    key: Path


class Authority:
    """One authority; what it signs lies in ``directory``. ``given`` = certificate and key of one that exists, in PEM."""

    def __init__(self, directory: Path, name: str = "client-ca", *, given: tuple[bytes, bytes] | None = None) -> None:
        self._directory = directory
        if given is not None:
            self.certificate = x509.load_pem_x509_certificate(given[0])
            key = serialization.load_pem_private_key(given[1], None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key = key
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(True, None)
        self.certificate = _sign(subject, subject, self._key.public_key(), self._key, constraints)

    @property
    def pem(self) -> str:
        """The certificate to trust."""
        return self.certificate.public_bytes(_PEM).decode()

    def issue(
        self,
        user: str,
        groups: Sequence[str] = (),
        *,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        days: int = 1,
        more_names: Sequence[str] = (),
    ) -> Identity:
        """Sign a client; negative ``days`` make an expired one, ``more_names`` further common names."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        names += [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in (user, *more_names) if name]
        extension = x509.ExtendedKeyUsage([usage])
        certificate = _sign(
            x509.Name(names), self.certificate.subject, key.public_key(), self._key, extension, days=days
        )
        stem = self._directory / f"client-{certificate.serial_number:x}"
        found = Identity(stem.with_suffix(".crt"), stem.with_suffix(".key"))
        found.certificate.write_bytes(certificate.public_bytes(_PEM))
        plain = serialization.NoEncryption()
        found.key.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain))
        return found


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
    *,
    days: int = 1,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .sign(signer, hashes.SHA256())
    )
