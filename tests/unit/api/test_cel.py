from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.support.samples import as_seen, connector_manifest
from videovector_operator.api.v1alpha1.cel import BLOCK_RULES, LONGEST_PASTED, Rule, Text, rules
from videovector_operator.control.process import parse_resource

Json = dict[str, Any]
WORD = Text("box.word", "^[a-z]+$", 5, "must be a word, for instance abc", shortest=2)
TRAPPED = Text("word", "^[a-z]+$", 5, "must be a word", traps=(("@", "must not hold a user"), ("?", "must not ask")))


def test_a_rule_is_what_must_hold_and_words_and_prints_no_value() -> None:
    assert rules(
        Rule("self > 1", "size must be more"), Rule("has(self.a)", "a must be set", "a", "FieldValueRequired")
    ) == {
        "x-kubernetes-validations": [
            {"rule": "self > 1", "message": "size must be more", "reason": "FieldValueForbidden"},
            {"rule": "has(self.a)", "message": "a must be set", "reason": "FieldValueRequired", "fieldPath": ".a"},
        ]
    }


def test_a_text_brings_a_rule_for_its_block() -> None:
    assert WORD.block_rules() == (
        Rule(
            "!has(self.word) || (size(self.word) >= 2 && size(self.word) <= 5 && self.word.matches(r'^[a-z]+$'))",
            "box.word must be a word, for instance abc",
            "word",
        ),
    )


def test_where_a_trap_is_found_its_words_stand_in_for_the_others() -> None:
    user, ask, fits = TRAPPED.block_rules()
    assert (user.cel, user.message) == ("!has(self.word) || !self.word.contains('@')", "word must not hold a user")
    assert (ask.cel, ask.message) == ("!has(self.word) || !self.word.contains('?')", "word must not ask")
    assert fits.cel.startswith("!has(self.word) || self.word.contains('@') || self.word.contains('?') || (size(")


def test_the_schema_bounds_a_text_wide_enough_for_what_is_pasted() -> None:
    schema = TypeAdapter(Annotated[str, WORD]).json_schema()
    assert schema == {
        "type": "string",
        "maxLength": LONGEST_PASTED,
        BLOCK_RULES: [rule.to_schema() for rule in WORD.block_rules()],
    }


@pytest.mark.parametrize("value", ["a", "abcdef", "ABC", "abc\n", "", 7])
def test_models_refuse_it_with_the_same_words(value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Annotated[str, WORD]).validate_python(value)
    (error,) = refused.value.errors()
    assert error["msg"] == WORD.message


def test_models_take_what_fits() -> None:
    assert TypeAdapter(Annotated[str, WORD]).validate_python("abc") == "abc"


S3 = {"bucket": "media", "region": "eu-central-1"}
GCS = {"bucket": "films", "projectId": "studio"}
AZURE = {"storageAccount": "studio", "container": "films"}
SIGNED = "https://studio.blob.core.windows.net/films?sv=2024-11-04&sig=5w8Wn0tAT3stS1gnatureX2gM%3D"
LET_IN: dict[str, tuple[Json, str]] = {
    "s3.bucket": ({"s3": {**S3, "bucket": SIGNED}}, "without s3://"),
    "s3.region": ({"s3": {**S3, "region": "eu-central-1 "}}, "for instance eu-central-1"),
    "s3.endpoint": ({"s3": {**S3, "endpoint": SIGNED}}, "for instance https://minio.example.com:9000"),
    "gcs.bucket": ({"gcs": {**GCS, "bucket": "gs://films"}}, "without gs://"),
    "gcs.projectId": ({"gcs": {**GCS, "projectId": "My Studio"}}, "not its display name"),
    "gcs.endpoint": ({"gcs": {**GCS, "endpoint": "https://a\u00a0b"}}, "without spaces"),
    "azure.storageAccount": ({"azure": {**AZURE, "storageAccount": SIGNED}}, "for instance studio"),
    "azure.container": ({"azure": {**AZURE, "container": SIGNED}}, "without the account's URL"),
    "azure.endpoint": ({"azure": {**AZURE, "endpoint": SIGNED}}, "http:// or https://"),
    "azure.tenantId": ({"azure": {**AZURE, "tenantId": "{11111111}"}}, "without braces"),
    "azure.clientId": ({"azure": {**AZURE, "clientId": "{11111111}"}}, "without braces"),
    "serviceAccountName": ({"serviceAccountName": "a/b"}, "without its namespace"),
    "caBundleRef.key": ({"caBundleRef": {"name": "ca", "key": "../ca.crt"}}, "for instance ca.crt"),
    "validationInterval": ({"validationInterval": "ten minutes"}, "for instance 10m or 1h30m"),
}


@pytest.mark.parametrize("field", LET_IN)
def test_what_an_older_crd_let_in_is_refused_by_field_and_fix_and_not_shown(field: str) -> None:
    spec, fix = LET_IN[field]
    with pytest.raises(ValidationError) as refused:
        parse_resource("Connector", as_seen(connector_manifest(**spec)))
    (error,) = refused.value.errors()
    assert ".".join(str(part) for part in error["loc"]) == f"spec.{field}"
    assert error["msg"].startswith(f"{field} must ")
    assert fix in error["msg"]
    assert "sig=" not in str(refused.value)
