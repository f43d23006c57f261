"""CA bundles as users write them: strict, and quick whatever comes in."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.certificates import make_certificate
from videovector_operator.core.certificates import read_ca_bundle
from videovector_operator.errors import Stalled

FIRST, SECOND = make_certificate("127.0.0.1"), make_certificate("127.0.0.2")
KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"


def names_in(bundle: str) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle)
    return context.cert_store_stats()["x509"]


GOOD = {
    "one certificate": (FIRST, 1),
    "two": (FIRST + SECOND, 2),
    "one twice": (FIRST + FIRST, 1),
    "comments in any script": (f"# Zertifizierungsstelle für Übungen\n{FIRST}# 証明書\n{SECOND}", 2),
    "line ends of another system": (FIRST.replace("\n", "\r\n"), 1),
    "the older label": (FIRST.replace("BEGIN CERT", "BEGIN X509 CERT").replace("END CERT", "END X509 CERT"), 1),
    "without a last line end": (FIRST.rstrip(), 1),
}


@pytest.mark.parametrize("name", GOOD)
def test_certificates_are_found(name: str) -> None:
    text, count = GOOD[name]
    assert names_in(read_ca_bundle(text, where="it")) == count


def test_nothing_but_certificates_is_kept() -> None:
    assert "PRIVATE" not in read_ca_bundle(KEY + FIRST, where="it")


BAD = {
    "nothing": ("", "holds no PEM certificate"),
    "text": ("trust me", "holds no PEM certificate"),
    "a private key": (KEY, "holds no certificate, but a private key"),
    "a request": (
        "-----BEGIN CERTIFICATE REQUEST-----\nYQ==\n-----END CERTIFICATE REQUEST-----",
        "holds no certificate, but a certificate request",
    ),
    "not a certificate": (
        "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----",
        "its certificate cannot be read",
    ),
    "cut off in the middle": (FIRST[:200], "its certificate cannot be read"),
    "one of two is cut off": (FIRST[:200] + "\n" + SECOND, "certificate 1 of 2 cannot be read"),
    "the second is broken": (
        FIRST + SECOND.replace(SECOND[60:70], "??????????"),
        "certificate 2 of 2 cannot be read",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_trusted_is_named_and_not_repeated(name: str) -> None:
    text, words = BAD[name]
    with pytest.raises(Stalled, match=words) as caught:
        read_ca_bundle(text, where="spec.caBundleRef: the key 'ca.crt' of ConfigMap 'ca'")
    assert caught.value.reason == "CABundleInvalid"
    assert caught.value.message.startswith("spec.caBundleRef: the key 'ca.crt' of ConfigMap 'ca' ")
    assert "c2VjcmV0" not in caught.value.message


@given(st.lists(st.sampled_from(["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "YQ==\n", "-", "x"])))
def test_any_text_is_read_or_refused(parts: list[str]) -> None:
    with contextlib.suppress(Stalled):
        read_ca_bundle("".join(parts), where="it")


def test_very_many_beginnings_are_read_in_one_pass() -> None:
    """A megabyte of them, as a ConfigMap may hold; each is looked at once, so this ends at once."""
    with pytest.raises(Stalled, match="certificate 1 of 38836"):
        read_ca_bundle("-----BEGIN CERTIFICATE-----" * 38836, where="it")
