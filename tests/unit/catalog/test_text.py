import json
import math

from hypothesis import example, given
from hypothesis import strategies as st

from videovector_operator.catalog import text
from videovector_operator.core.records import JsonValue

any_text = st.text(st.characters(codec=None, exclude_categories=()))
storable_text = st.text(st.characters(exclude_categories=["Cs"]))


@given(any_text)
@example("a\x00b")
@example("\x01")
@example("\x01\x01\x02")
@example("\ud800\udfff")
def test_any_text_comes_back_exactly(key: str) -> None:
    escaped = text.escape(key)

    assert text.unescape(escaped) == key
    assert "\x00" not in escaped
    escaped.encode("utf-8")  # no lone surrogate is left


@given(any_text, any_text)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (text.escape(one) == text.escape(other)) == (one == other)


@given(storable_text, storable_text)
@example("a", "a\x00")
@example("a\x00", "a\x01")
@example("a\x01", "a\x02")
def test_byte_order_is_kept(one: str, other: str) -> None:
    escaped = (text.escape(one).encode(), text.escape(other).encode())

    assert (escaped[0] < escaped[1]) == (one.encode() < other.encode())


@given(st.text(st.characters(exclude_characters="\x00\x01", exclude_categories=["Cs"])))
def test_ordinary_text_is_stored_as_it_is(key: str) -> None:
    assert text.escape(key) == key


def test_a_key_of_the_longest_kind_fits_an_index_row() -> None:
    longest = "\x00" * 1024

    assert len(text.escape(longest).encode()) <= 2048


def test_json_comes_back_exactly() -> None:
    value: dict[str, JsonValue] = {"k\x00": ["\x01", {"nested": "\ud800"}, 1, 1.5, True, None]}

    assert text.unescaped_json(json.loads(text.escaped_json(value))) == value


def test_json_for_people_holds_only_what_jsonb_can_store() -> None:
    value: dict[str, JsonValue] = {"tag\x00": "a\x00\ud800", "rate": math.nan, "list": [math.inf, 25.0]}

    assert json.loads(text.plain_json(value)) == {"tag\ufffd": "a\ufffd\ufffd", "rate": None, "list": [None, 25.0]}
