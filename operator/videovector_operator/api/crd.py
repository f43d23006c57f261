"""Models → CustomResourceDefinitions: the only author of ``crds/*.yaml``. Pure.

pydantic's JSON schema is turned into a structural schema (no $ref, no anyOf with null, no titles, no additionalProperties),
with CEL rules, list types and defaults where the models ask for them. A pattern is refused: its refusal would print the value,
which may be a secret, and say no fix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videovector_operator.api.kinds import Column, KindInfo
from videovector_operator.api.v1alpha1.cel import BLOCK_RULES
from videovector_operator.api.v1alpha1.common import API_GROUP, API_VERSION

Schema = dict[str, Any]

_DROPPED = frozenset({"title", "additionalProperties", "$defs", "const", "discriminator"})
_MAX_NAME = 63


def build_crd(info: KindInfo) -> Schema:
    """Build the CRD manifest of one kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{info.plural}.{API_GROUP}"},
        "spec": {
            "group": API_GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": info.kind,
                "listKind": f"{info.kind}List",
                "plural": info.plural,
                "singular": info.singular,
                "shortNames": list(info.short_names),
                "categories": ["videovector"],
            },
            "versions": [_build_version(info)],
        },
    }


def _build_version(info: KindInfo) -> Schema:
    return {
        "name": API_VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_build_column(column) for column in info.columns],
        "selectableFields": [{"jsonPath": path} for path in info.selectable_fields],
        "schema": {"openAPIV3Schema": build_schema(info)},
    }


def _build_column(column: Column) -> Schema:
    entry: Schema = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        entry["description"] = column.description
    if column.wide:
        entry["priority"] = 1
    return entry


def build_schema(info: KindInfo) -> Schema:
    """Build the structural schema of one kind.

    The status defaults to ``observedGeneration: -1``: without it kstatus takes a new object for ready before the operator
    has seen it.
    """
    model = info.model.model_json_schema(by_alias=True)
    definitions: Mapping[str, Schema] = model.get("$defs", {})
    properties = model["properties"]
    spec = to_structural(properties["spec"], definitions)
    status = to_structural(properties["status"], definitions)
    return {
        "type": "object",
        "description": (info.model.__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": _MAX_NAME}},
            },
            "spec": spec,
            "status": _without_defaults(status) | {"default": {"observedGeneration": -1}},
        },
    }


def to_structural(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Turn one node of a JSON schema into a structural one: references inlined, Optional unwrapped.

    Raises ValueError for what has no structural schema, and for a pattern.
    """
    node = _unwrap(schema, definitions)
    if "pattern" in node:
        msg = f"a pattern's refusal prints the value and says no fix, give the field a cel.Text instead: {node['pattern']}"
        raise ValueError(msg)
    result: Schema = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in node:
        result["enum"] = [node["const"]]
    if "description" in result:
        result["description"] = " ".join(str(result["description"]).split())
    if "properties" in result:
        result["properties"] = {name: to_structural(child, definitions) for name, child in result["properties"].items()}
        _lift_rules(result)
    if "items" in result:
        result["items"] = _without_defaults(to_structural(result["items"], definitions))
    if result.get("default", ...) is None:
        del result["default"]
    return _tidy(result)


def _lift_rules(block: Schema) -> None:
    """Put the rules that fields bring for their block where they belong."""
    lifted = [rule for child in block["properties"].values() for rule in child.pop(BLOCK_RULES, ())]
    if lifted:
        block["x-kubernetes-validations"] = [*block.get("x-kubernetes-validations", ()), *lifted]


def _unwrap(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Follow ``$ref`` and drop the null of an Optional; what stands beside them (description, default) wins."""
    node = dict(schema)
    while True:
        if "$ref" in node:
            target = definitions[node.pop("$ref").rsplit("/", 1)[1]]
            node = {**target, **node}
        elif isinstance(node.get("anyOf"), list) and not node.get("x-kubernetes-int-or-string"):
            choices = [choice for choice in node.pop("anyOf") if choice.get("type") != "null"]
            if len(choices) != 1:
                msg = f"a field with {len(choices)} alternatives has no structural schema: {choices}"
                raise ValueError(msg)
            node = {**choices[0], **node}
        else:
            return node


def _tidy(node: Schema) -> Schema:
    """Drop what the API server refuses or ignores."""
    if node.get("x-kubernetes-int-or-string"):
        for key in ("anyOf", "type"):
            node.pop(key, None)
    if isinstance(node.get("default"), tuple):
        node["default"] = list(node["default"])
    if node.get("default") == {}:
        del node["default"]
    if node.get("type") == "integer":
        node["format"] = "int64"
    return node


def _without_defaults(node: Schema) -> Schema:
    """Remove every default below ``node``: inside list items they show as drift, in a status they are noise."""
    result = {key: value for key, value in node.items() if key != "default"}
    if "properties" in result:
        result["properties"] = {name: _without_defaults(child) for name, child in result["properties"].items()}
    if "items" in result:
        result["items"] = _without_defaults(result["items"])
    return result
