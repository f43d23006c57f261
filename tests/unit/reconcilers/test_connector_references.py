"""What a Connector refers to, its Secret, CA bundle and ServiceAccount: missing, wrong, changed, or not to be read."""

from __future__ import annotations

import pytest

from tests.support.certificates import make_certificate
from tests.support.house import House, secret_manifest
from tests.support.samples import connector_manifest
from tests.unit.reconcilers.connector_house import FOOTAGE, KEYS, build_connector_house
from videovector_operator.core.keys import ObjectKey
from videovector_operator.errors import ClusterError, Invalid
from videovector_operator.storage.fake import FakeStorage


@pytest.fixture
def house() -> House:
    return build_connector_house(has_secret=False)


@pytest.fixture
def tested(house: House) -> House:
    house.fake.apply(secret_manifest())
    return house


async def test_no_secret_is_read_for_the_ambient_identity(house: House) -> None:
    house.fake.delete(FOOTAGE)
    house.fake.apply(connector_manifest(secret=None))
    await house.look(FOOTAGE)
    assert house.words(FOOTAGE) == ("True", "ConnectionTested")
    assert house.sources[0].credentials is None
    assert "observedCredentials" not in house.status(FOOTAGE)


SECRETS: dict[str, tuple[dict[str, str] | None, str, str]] = {
    "there is no Secret": (None, "SecretNotFound", "spec.credentialsSecretRef.name: there is no Secret 'keys'"),
    "a key is missing": ({"accessKeyId": "A"}, "SecretKeyMissing", "lacks the key secretAccessKey, or it is empty"),
    "both keys are missing": ({"other": "x"}, "SecretKeyMissing", "lacks the key accessKeyId and secretAccessKey,"),
    "a key is empty": ({"accessKeyId": "A", "secretAccessKey": ""}, "SecretKeyMissing", "lacks the key secretAccess"),
}


@pytest.mark.parametrize("name", SECRETS)
async def test_a_secret_that_does_not_do_is_named(house: House, name: str) -> None:
    data, reason, words = SECRETS[name]
    if data is not None:
        house.fake.apply(secret_manifest(data=data))
    await house.look(FOOTAGE)
    assert house.words(FOOTAGE) == ("False", reason)
    assert words in house.message(FOOTAGE)
    assert house.conditions(FOOTAGE)["Stalled"] == "True"
    assert house.storages == []


@pytest.mark.parametrize(("value", "words"), [("//79", "it is not UTF-8 text"), ("not base64!", "is not base64")])
async def test_a_key_that_is_no_text_is_named_and_not_shown(house: House, value: str, words: str) -> None:
    house.fake.apply(secret_manifest(data={"accessKeyId": "A"}))
    house.fake.edit(KEYS, {"data": {"secretAccessKey": value}})
    await house.look(FOOTAGE)
    assert house.words(FOOTAGE) == ("False", "SecretInvalid")
    assert "the key secretAccessKey " in house.message(FOOTAGE)
    assert words in house.message(FOOTAGE)
    assert value not in house.message(FOOTAGE)


async def test_keys_are_taken_without_the_newline_of_echo_and_with_their_token(house: House) -> None:
    data = {"accessKeyId": "A\n", "secretAccessKey": " S \n", "sessionToken": "T\n"}
    house.fake.apply(secret_manifest(data=data))
    await house.look(FOOTAGE)
    credentials = house.sources[0].credentials
    assert credentials is not None
    assert (credentials.access_key_id, credentials.secret_access_key, credentials.session_token) == ("A", "S", "T")


async def test_a_secret_that_appears_is_tried_at_once(house: House) -> None:
    await house.look(FOOTAGE)
    house.fake.apply(secret_manifest())
    await house.look(FOOTAGE)
    assert house.words(FOOTAGE) == ("True", "ConnectionTested")


async def test_a_secret_that_is_rotated_or_deleted_is_noticed(tested: House) -> None:
    await tested.look(FOOTAGE)
    tested.fake.edit(KEYS, {"data": {"secretAccessKey": "bmV3"}})
    await tested.look(FOOTAGE)
    assert tested.sources[1].credentials is not None
    assert tested.sources[1].credentials.secret_access_key == "new"
    tested.fake.delete(KEYS)
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", "SecretNotFound")


async def test_a_ca_bundle_is_trusted_and_its_change_is_tested(tested: House) -> None:
    bundle = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "media"}}
    tested.fake.edit(FOOTAGE, {"spec": {"caBundleRef": {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}}})
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", "CABundleNotFound")
    tested.fake.apply({**bundle, "data": {"ca.crt": "nonsense"}})
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", "CABundleInvalid")
    tested.fake.edit(ObjectKey("ConfigMap", "media", "ca"), {"data": {"ca.crt": make_certificate()}})
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")
    assert tested.sources[-1].ca_bundle is not None
    assert tested.status(FOOTAGE)["observedCaBundle"].startswith("00000000-")


async def test_the_identity_of_another_service_account_is_not_guessed(house: House) -> None:
    house.fake.delete(FOOTAGE)
    house.fake.apply(connector_manifest(secret=None, serviceAccountName="importer", scopes=["import", "export"]))
    await house.look(FOOTAGE)
    assert house.words(FOOTAGE) == ("False", "ServiceAccountNotFound")
    house.fake.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "importer", "namespace": "media"}}
    )
    house.clock.pass_seconds(31)
    await house.look(FOOTAGE)
    assert house.words(FOOTAGE) == ("True", "ConnectionNotTested")
    status = house.status(FOOTAGE)
    assert (status["lastTestResult"], {p["result"] for p in status["permissions"]}) == ("unknown", {"unknown"})
    assert [p["action"] for p in status["permissions"]] == ["list", "read", "write", "delete"]
    assert [(storage.calls, storage.closed) for storage in house.storages] == [([("check", "")], True)]
    assert [source.credentials for source in house.sources] == [None]


async def test_what_the_workers_would_be_refused_is_said_of_the_connector(house: House) -> None:
    def refuse(storage: FakeStorage) -> None:
        storage.fail_always("check", Invalid("The endpoint leads to 169.254.169.254, a cloud metadata address"))

    house.prepare_storage = refuse
    house.fake.delete(FOOTAGE)
    house.fake.apply(connector_manifest(secret=None, serviceAccountName="importer"))
    house.fake.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "importer", "namespace": "media"}}
    )
    await house.look(FOOTAGE)
    assert house.words(FOOTAGE) == ("False", "InvalidEndpoint")


async def test_an_api_server_that_was_away_leaves_no_trace(tested: House) -> None:
    await tested.look(FOOTAGE)
    tested.cache.forget(KEYS)
    tested.fake.fail("get", ClusterError("no answer"), kind="Secret")
    await tested.look(FOOTAGE)
    # What is proven bears it, as it bears a storage server that does not answer.
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")
    assert "no answer" in tested.message(FOOTAGE)
    tested.clock.pass_seconds(8)
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")
    assert "no answer" not in tested.message(FOOTAGE)


async def test_an_api_server_that_is_away_at_the_first_look_is_said(tested: House) -> None:
    tested.cache.forget(KEYS)
    tested.fake.fail("get", ClusterError("no answer"), kind="Secret")
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("False", "ClusterUnavailable")
    tested.clock.pass_seconds(8)
    await tested.look(FOOTAGE)
    assert tested.words(FOOTAGE) == ("True", "ConnectionTested")
