"""json and jsonb come out as JSON values where nothing is lost, and go back in."""

import json
from typing import Any

import pytest
from asyncpg import Connection
from cq_values import row, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@few
@given(found=documents.filter(lambda found: found is not None and not isinstance(found, str)))
async def test_a_document_is_the_json_value_that_it_is(connection: Connection, found: Any) -> None:
    sql = "SELECT $1::jsonb, $1::json, ARRAY[$1::jsonb], ROW($1::jsonb, 1)"

    out = await row(connection, sql.replace("$1::json,", "$2::json,"), found, found)

    assert out == [found, found, [found], [found, 1]]
    assert await value(connection, "SELECT $1::jsonb = $2::jsonb", out[0], json.dumps(found)) is True
    assert await value(connection, "SELECT $1::jsonb[]", [json.dumps(found), None]) == [found, None]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("9007199254740992", 9007199254740992),
        ("9007199254740993", "9007199254740993"),
        ("-9007199254740993", "-9007199254740993"),
        ("1" * 5000, "1" * 5000),
        ("0.1", 0.1),
        ("0.10", 0.1),
        ("0.1234567890123456", 0.1234567890123456),
        ("0.12345678901234567890", "0.12345678901234567890"),
        ('"a"', "a"),
        ("{}", {}),
    ],
)
async def test_a_number_that_a_float_cannot_hold_is_its_text(
    connection: Connection, text: str, answer: Any
) -> None:
    assert await row(connection, "SELECT $1::jsonb, $2::json", text, text) == [answer, answer]
    assert await value(connection, "SELECT $1::jsonb", f'{{"a": [{text}]}}') == {"a": [answer]}


@pytest.mark.parametrize("text", ["1e400", "1E-400", "1.0e1000"])
async def test_a_number_of_json_beyond_a_float_is_its_text(connection: Connection, text: str) -> None:
    assert await value(connection, "SELECT $1::json", text) == text


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', '[{"b":{"a":1, "a":1}}]', '{"a":"\\ud800"}', '["\\udc00\\ud800"]']
)
async def test_a_document_that_no_json_value_can_be_stays_its_text(connection: Connection, text: str) -> None:
    assert await value(connection, "SELECT $1::json", text) == text


async def test_a_surrogate_pair_in_a_document_is_the_character_that_it_is(connection: Connection) -> None:
    assert await value(connection, "SELECT $1::json", '"\\ud83d\\ude00\\u00e9"') == "\U0001f600é"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a[{\\"":', "}")])
async def test_a_document_is_a_json_value_up_to_a_hundred_levels(
    connection: Connection, opening: str, closing: str
) -> None:
    most, too_deep = (opening * depth + "0" + closing * depth for depth in (100, 101))

    assert await value(connection, "SELECT $1::json", most) == json.loads(most)
    assert await value(connection, "SELECT $1::json", too_deep) == too_deep


async def test_a_document_with_many_brackets_in_its_strings_is_not_deep(connection: Connection) -> None:
    text = json.dumps([["[" * 500, '"[{\\'], {"{": "]"}] + [[]] * 200)

    assert await value(connection, "SELECT $1::json", text) == json.loads(text)


async def test_a_document_of_any_depth_goes_back_in(connection: Connection) -> None:
    text = "[" * 3000 + "]" * 3000

    out = await value(connection, "SELECT $1::jsonb", text)

    assert out == text
    assert await value(connection, "SELECT $1::jsonb", out) == text
