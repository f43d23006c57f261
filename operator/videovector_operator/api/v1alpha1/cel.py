"""Rules that the API server checks (CEL), and texts with a rule of their own. Pure.

What breaks a rule may be a secret: a signed URL pasted as an endpoint, a key pasted as a name. The API server prints the value
that a ``pattern`` refuses, and since 1.35 also the one that a rule without a reason refuses; with FieldValueForbidden or
FieldValueRequired no version prints one (``fieldErrorForReason`` in k8s.io/apiextensions-apiserver). So every rule here has
such a reason, and ``api/crd.py`` takes no pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

BLOCK_RULES = "x-block-validations"
"""Key of a field's JSON schema: rules that stand on the block that holds the field. Not a word of Kubernetes."""
LONGEST_PASTED = 4096
"""What the schema lets through of a text with a rule of its own: a signed URL that was pasted for a name gets the rule's words,
not only "Too long". Rules need a bound: the API server estimates their cost from it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what must hold, and the sentence for people when it does not."""

    cel: str
    message: str
    field: str = ""
    """The child that the refusal names; "" = the node on which the rule stands."""
    reason: Literal["FieldValueForbidden", "FieldValueRequired"] = "FieldValueForbidden"

    def to_schema(self) -> dict[str, str]:
        """One entry of ``x-kubernetes-validations``."""
        path = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, "message": self.message, "reason": self.reason, **path}


def rules(*entries: Rule) -> dict[str, Any]:
    """Make a ``json_schema_extra`` that holds these rules."""
    return {"x-kubernetes-validations": [entry.to_schema() for entry in entries]}


@dataclass(frozen=True, slots=True)
class Text:
    """A text that must match ``pattern``: metadata of a field, for the models and for the API server.

    ``path`` is the field as messages name it ("s3.bucket", or "name" on the spec itself), ``words`` go on from there: what is
    expected, and an example. ``pattern``, with the lengths, is the models' whole check; it must mean the same in Rust (pydantic)
    and in RE2 (the API server), and hold no quote. ``traps`` are the API server's alone: what the text must not hold, and the
    words that are said instead.
    """

    path: str
    pattern: str
    longest: int
    words: str
    shortest: int = 1
    traps: Sequence[tuple[str, str]] = ()

    @property
    def message(self) -> str:
        """The sentence for people."""
        return f"{self.path} {self.words}"

    def block_rules(self) -> tuple[Rule, ...]:
        """The rules for the block that holds the field. Where a trap is found, the pattern is not complained of too."""
        name = self.path.rsplit(".", 1)[-1]
        text = f"self.{name}"
        trapped = [f"{text}.contains('{part}')" for part, _ in self.traps]
        fits = (
            f"(size({text}) >= {self.shortest} && size({text}) <= {self.longest} && {text}.matches(r'{self.pattern}'))"
        )
        return (
            *(
                Rule(f"!has({text}) || !{trap}", f"{self.path} {words}", name)
                for trap, (_, words) in zip(trapped, self.traps, strict=True)
            ),
            Rule(" || ".join([f"!has({text})", *trapped, fits]), self.message, name),
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check it in the models, with the same words."""
        text = core_schema.str_schema(min_length=self.shortest, max_length=self.longest, pattern=self.pattern)
        return core_schema.custom_error_schema(text, custom_error_type="text", custom_error_message=self.message)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """What ``api/crd.py`` makes the field and the rules of its block from."""
        return {
            "type": "string",
            "maxLength": LONGEST_PASTED,
            BLOCK_RULES: [rule.to_schema() for rule in self.block_rules()],
        }
