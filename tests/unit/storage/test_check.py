"""What every storage refuses before it sends anything: the same with and without credentials of its own."""

from __future__ import annotations

import pytest

from tests.support.certificates import make_certificate
from videovector_operator.errors import Invalid
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.port import AzureSource, GcsSource, S3Source, Source

REFUSED: dict[str, tuple[Source, str]] = {
    "S3, metadata": (S3Source("media", "eu-central-1", "http://169.254.169.254"), "metadata"),
    "S3, loopback": (S3Source("media", "eu-central-1", "http://127.0.0.1:9000"), "loopback"),
    "S3, a port that is none": (S3Source("media", "eu-central-1", "http://a:99999"), "not a URL"),
    "S3, a bundle without certificates": (
        S3Source("media", "eu-central-1", ca_bundle="trust me"),
        "no PEM certificate",
    ),
    "GCS, not Google's": (GcsSource("media", "p", "https://storage.example.com"), "not Google's"),
    "GCS, another authority": (GcsSource("media", "p", ca_bundle=make_certificate("127.0.0.1")), "caBundleRef cannot"),
    "GCS, metadata": (GcsSource("media", "p", "https://metadata.google.internal"), "metadata"),
    "Azure, not Azure's": (AzureSource("acct", "media", "https://storage.example.com"), "not Azure's"),
    "Azure, no TLS": (AzureSource("acct", "media", "http://acct.blob.core.windows.net"), "not https"),
    "Azure, another authority": (
        AzureSource("acct", "media", ca_bundle=make_certificate("127.0.0.1")),
        "caBundleRef cannot",
    ),
}
ACCEPTED: tuple[Source, ...] = (
    S3Source("media", "eu-central-1"),
    S3Source("media", "us-east-1", "http://minio.storage.svc:9000"),
    GcsSource("media", "p"),
    AzureSource("acct", "media"),
)


@pytest.mark.parametrize("case", REFUSED)
async def test_what_no_request_would_be_sent_to_is_refused_without_one(case: str) -> None:
    source, words = REFUSED[case]
    storage = open_storage(source)
    with pytest.raises(Invalid, match=words):
        storage.check()
    await storage.close()


@pytest.mark.parametrize("source", ACCEPTED, ids=repr)
async def test_what_may_be_asked_passes(source: Source) -> None:
    storage = open_storage(source)
    storage.check()
    await storage.close()
