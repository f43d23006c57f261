"""A house with one Connector in it."""

from __future__ import annotations

from tests.support.house import House, secret_manifest
from tests.support.samples import connector_manifest
from videovector_operator.core.keys import ObjectKey

FOOTAGE = ObjectKey("Connector", "media", "footage")
KEYS = ObjectKey("Secret", "media", "keys")


def build_connector_house(*, has_secret: bool) -> House:
    """Build it; without its Secret the Connector cannot be tested."""
    made = House()
    made.fake.apply(connector_manifest())
    if has_secret:
        made.fake.apply(secret_manifest())
    return made
