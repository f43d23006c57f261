from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from videovector_operator.api.crd import build_crd, build_schema, to_structural
from videovector_operator.api.crd_files import render_crds, write_crds
from videovector_operator.api.kinds import KINDS, Column, KindInfo
from videovector_operator.api.v1alpha1.cel import BLOCK_RULES
from videovector_operator.api.v1alpha1.reasons import Phase

Json = dict[str, Any]
CRDS = Path(__file__).parents[3] / "crds"
each_kind = pytest.mark.parametrize("info", KINDS, ids=lambda info: info.kind)
SCALARS = {"string", "integer", "boolean"}


def walk(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")


def fields_of(info: KindInfo) -> list[tuple[str, Json]]:
    schema = build_schema(info)["properties"]
    return [*walk(schema["spec"], ".spec"), *walk(schema["status"], ".status")]


def test_the_committed_files_are_what_the_models_say() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in CRDS.glob("*.yaml")} == render_crds()


@each_kind
def test_the_schema_is_structural(info: KindInfo) -> None:
    for path, node in fields_of(info):
        for forbidden in ("$ref", "anyOf", "allOf", "oneOf", "title", "additionalProperties", "$defs", "const"):
            assert forbidden not in node, f"{path}: {forbidden}"
        if node.get("x-kubernetes-int-or-string"):
            assert "type" not in node, path
        else:
            assert node.get("type") in {*SCALARS, "object", "array"}, path


@each_kind
def test_every_string_and_list_is_bounded(info: KindInfo) -> None:
    """Without bounds the API server refuses CEL rules for their cost, and a status can outgrow etcd."""
    for path, node in fields_of(info):
        if node.get("type") == "string":
            assert {"maxLength", "enum", "format"} & set(node), f"{path} has no maxLength"
        if node.get("type") == "array":
            assert "maxItems" in node, f"{path} has no maxItems"


@each_kind
def test_every_field_is_described(info: KindInfo) -> None:
    for path, node in fields_of(info):
        if not path.endswith("[]"):
            assert node.get("description"), f"{path} has no description"


@each_kind
def test_there_are_no_defaults_inside_list_items_nor_in_the_status(info: KindInfo) -> None:
    for path, node in fields_of(info):
        if "default" in node and path != ".status":
            assert "[]" not in path, f"{path}: a default inside a list item shows as drift"
            assert path.startswith(".spec."), f"{path}: a default in a status is noise"


@each_kind
def test_a_new_object_is_not_taken_for_ready(info: KindInfo) -> None:
    assert build_schema(info)["properties"]["status"]["default"] == {"observedGeneration": -1}


@each_kind
def test_columns_and_selectable_fields_point_at_fields_that_exist(info: KindInfo) -> None:
    known = {path for path, _ in fields_of(info)} | {".metadata.creationTimestamp"}
    for column in info.columns:
        assert column.path.split("[?")[0] in known, column.name
    scalars = {path for path, node in fields_of(info) if node.get("type") in SCALARS}
    assert set(info.selectable_fields) <= scalars
    assert len(info.selectable_fields) <= 8


@each_kind
def test_integer_columns_are_integers_and_dates_are_dates(info: KindInfo) -> None:
    nodes = dict(fields_of(info))
    for column in info.columns:
        node = nodes.get(column.path, {})
        if column.type == "integer":
            assert node["type"] == "integer", column.name
        if node.get("format") == "date-time":
            assert column.type == "date", column.name


@each_kind
def test_names_of_the_kind(info: KindInfo) -> None:
    crd = build_crd(info)
    assert crd["metadata"]["name"] == f"{info.plural}.videovector.io"
    names = crd["spec"]["names"]
    assert (names["kind"], names["listKind"], names["singular"]) == (info.kind, f"{info.kind}List", info.kind.lower())
    assert names["categories"] == ["videovector"]
    assert crd["spec"]["scope"] == "Namespaced"
    (version,) = crd["spec"]["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}


def test_short_names_are_not_taken_twice() -> None:
    taken = [name for info in KINDS for name in (*info.short_names, info.plural, info.singular)]
    assert len(taken) == len(set(taken))


@each_kind
def test_every_rule_has_a_message_that_names_what_to_do(info: KindInfo) -> None:
    for path, node in fields_of(info):
        for rule in node.get("x-kubernetes-validations", ()):
            assert len(rule["message"]) > 20, path
            assert rule["message"] != rule["rule"], path


@each_kind
def test_no_refusal_of_a_spec_prints_the_value(info: KindInfo) -> None:
    """The value may be a secret. The API server prints what a pattern refuses, and a rule that gives no other reason."""
    for path, node in fields_of(info):
        if path.startswith(".spec"):
            assert "pattern" not in node, path
            for rule in node.get("x-kubernetes-validations", ()):
                assert rule["reason"] in ("FieldValueForbidden", "FieldValueRequired"), path


@each_kind
def test_every_rule_names_its_field(info: KindInfo) -> None:
    nodes = dict(fields_of(info))
    for path, node in nodes.items():
        for rule in node.get("x-kubernetes-validations", ()):
            named = path + rule.get("fieldPath", "")
            assert named in nodes, rule
            assert named.removeprefix(".spec").lstrip(".") in rule["message"], rule


def test_a_pattern_is_refused_because_its_refusal_prints_the_value() -> None:
    with pytest.raises(ValueError, match="prints the value"):
        to_structural({"type": "string", "pattern": "^a$"}, {})


def test_rules_that_a_field_brings_stand_on_its_block_behind_the_blocks_own() -> None:
    own, brought = {"rule": "own"}, {"rule": "brought"}
    child = {"type": "string", BLOCK_RULES: [brought]}
    node = {"type": "object", "properties": {"a": child}, "x-kubernetes-validations": [own]}
    found = to_structural(node, {})
    assert found["x-kubernetes-validations"] == [own, brought]
    assert found["properties"] == {"a": {"type": "string"}}


@each_kind
def test_conditions_are_a_map_by_type(info: KindInfo) -> None:
    conditions = dict(fields_of(info))[".status.conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_the_phases_in_the_crd_are_the_vocabulary() -> None:
    info = next(info for info in KINDS if info.kind == "ImportJob")
    assert set(dict(fields_of(info))[".status.phase"]["enum"]) == set(Phase)


def test_all_of_an_import_but_cancel_and_ttl_is_immutable() -> None:
    info = next(info for info in KINDS if info.kind == "ImportJob")
    nodes = dict(fields_of(info))
    fields = set(nodes[".spec"]["properties"])
    rules = [rule["rule"] for rule in nodes[".spec"]["x-kubernetes-validations"]]
    fixed = {field for field in fields if any(f"self.{field} == oldSelf.{field}" in rule for rule in rules)}
    assert fields - fixed == {"cancel", "ttlSecondsAfterFinished"}


def test_a_field_with_several_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match="2 alternatives"):
        to_structural({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {})


def test_references_are_followed_and_what_stands_beside_them_wins() -> None:
    inner = {"type": "object", "description": "inner", "properties": {"a": {"type": "string", "maxLength": 1}}}
    node = {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}], "default": None, "description": "outer"}
    found = to_structural(node, {"Inner": inner})
    assert found == {"type": "object", "description": "outer", "properties": inner["properties"]}


def test_words_with_one_value_become_an_enum() -> None:
    assert to_structural({"type": "string", "const": "s3"}, {}) == {"type": "string", "enum": ["s3"]}


def test_files_are_written_once_and_checked_without_writing(tmp_path: Path) -> None:
    target = tmp_path / "crds"
    names = list(render_crds())
    assert write_crds(target, check=True) == names
    assert not target.exists()
    assert write_crds(target) == names
    assert write_crds(target) == []
    (target / names[0]).write_text("changed", encoding="utf-8")
    assert write_crds(target, check=True) == names[:1]
    assert (target / names[0]).read_text(encoding="utf-8") == "changed"


@each_kind
def test_the_files_are_plain_yaml(info: KindInfo) -> None:
    text = render_crds()[f"videovector.io_{info.plural}.yaml"]
    assert yaml.safe_load(text) == build_crd(info)
    assert "&id" not in text
    assert text.startswith("# Generated")


def test_defaults_that_say_nothing_are_dropped_and_tuples_are_lists() -> None:
    assert to_structural({"type": "object", "default": {}}, {}) == {"type": "object"}
    assert to_structural({"type": "array", "default": ("a",)}, {}) == {"type": "array", "default": ["a"]}


def test_a_column_may_explain_itself() -> None:
    column = Column("Name", ".spec.displayName", description="Name for people")
    (first, *_) = build_crd(replace(KINDS[1], columns=(column,)))["spec"]["versions"][0]["additionalPrinterColumns"]
    assert first["description"] == "Name for people"
