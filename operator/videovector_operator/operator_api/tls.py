"""TLS of the operator's API: a server certificate made at start, and client certificates verified by the cluster's own CA.

The server's certificate proves nothing to clients, and need not: they come through a tunnel that the API server and the kubelet
hold (decision 0021). Where they come another way, a certificate of yours takes its place.
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = timedelta(days=3650)
_SLACK = timedelta(hours=1)
_NAME = "videovector-operator"


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate chain and its key in PEM. ``password`` None = the key is not encrypted."""

    chain: bytes
    key: bytes
    password: bytes | None = None


def make_certificate(now: datetime) -> ServerCertificate:
    """Make a self-signed certificate; its key is encrypted with a password that only this process knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    names = x509.SubjectAlternativeName(
        [x509.DNSName(_NAME), x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + _YEARS)
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    password = secrets.token_bytes(32).hex().encode()
    pem = serialization.Encoding.PEM
    encryption = serialization.BestAvailableEncryption(password)
    return ServerCertificate(
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption),
        password,
    )


def build_server_tls(
    certificate: ServerCertificate, client_ca: str | None, *, workspace: Path | None = None
) -> ssl.SSLContext:
    """Build the server's TLS. With ``client_ca`` (PEM) a client may show a certificate, and then it must be a good one.

    Files exist in ``workspace`` (None = the system's place for temporary files) for a moment. Raises ssl.SSLError when a part
    cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # A resumed session would carry a client certificate past a changed CA.
    context.num_tickets = 0
    _load_certificate(context, certificate, workspace)
    if client_ca:
        context.verify_mode = ssl.CERT_OPTIONAL
        # As in the API server, each certificate of the bundle is trusted as it is, also an intermediate one.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=client_ca)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: ServerCertificate, workspace: Path | None) -> None:
    """OpenSSL's binding reads files alone: they exist for this moment, for this user only."""
    with tempfile.TemporaryDirectory(prefix="videovector-tls-", dir=workspace) as directory:
        chain, key = Path(directory, "tls.crt"), Path(directory, "tls.key")
        chain.write_bytes(certificate.chain)
        key.touch(mode=0o600)
        key.write_bytes(certificate.key)
        context.load_cert_chain(chain, key, password=certificate.password)
