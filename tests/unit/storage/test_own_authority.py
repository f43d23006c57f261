"""Certificates of a user's own vouch for servers of a user's own: the pods' identity is not shown to these."""

from __future__ import annotations

import pytest

from videovector_operator.errors import Invalid
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.port import AzureSource, GcsSource, Source

CERTIFICATES = "-----BEGIN CERTIFICATE-----\nhere is none\n-----END CERTIFICATE-----\n"
SOURCES: dict[str, Source] = {
    "Google": GcsSource("media", "p", ca_bundle=CERTIFICATES),
    "a name below Google's": GcsSource("media", "p", "https://x.googleapis.com", ca_bundle=CERTIFICATES),
    "Azure": AzureSource("account", "media", ca_bundle=CERTIFICATES),
}


@pytest.mark.parametrize("case", SOURCES)
async def test_an_own_authority_and_the_pods_identity_exclude_each_other(case: str) -> None:
    storage = open_storage(SOURCES[case])
    try:
        with pytest.raises(Invalid, match="caBundleRef"):
            await storage.stat("a.mp4")
    finally:
        await storage.close()
