"""Every type that PostgreSQL brings along, alone and inside of every type that can hold it."""

import json
from base64 import b64decode
from typing import Any

import pytest
from asyncpg import Connection, PostgresError
from cq_type_samples import NOT_WRITABLE, ONLY_AS_TEXT, SAMPLES, WHOLE
from cq_values import row, rows, same_again, texts, told, value

from coldquery.errors import Refused
from coldquery.values.outgoing import columns_of


async def expected(connection: Connection, type_name: str, literal: str) -> Any:
    """What PostgreSQL itself writes, where that has another form in JSON turned into that."""
    text, as_json = (
        await connection.fetch(
            f"SELECT x::text, to_jsonb(x)::text FROM (SELECT $1::text::{type_name}) AS _ (x)", literal
        )
    )[0]
    if type_name == "bytea":
        return bytes.fromhex(text[2:])
    if type_name in WHOLE:
        return int(text) if abs(int(text)) <= 2**53 else text
    if type_name in {"float4", "float8"}:
        return float(text) if text.strip("-") not in {"NaN", "Infinity"} else text
    if type_name in {"int2vector", "oidvector"}:
        return [int(part) for part in text.split()]
    if type_name.endswith("multirange"):
        return await texts(
            connection, f"SELECT part::text FROM unnest($1::text::{type_name}) AS part", [literal]
        )
    return text if type_name == "numeric" else json.loads(as_json)


async def asked(connection: Connection, sql: str, type_name: str, literal: str) -> Any:
    """The value that `sql` makes of `x`, the literal."""
    found = await value(connection, f"SELECT {sql} FROM (SELECT $1::text::{type_name} AS x) AS it", literal)
    return _unpacked(found) if type_name == "bytea" else found


def _unpacked(found: Any) -> Any:
    """Base64 within as bytes."""
    if isinstance(found, list):
        return [_unpacked(part) for part in found]
    if isinstance(found, dict):
        return {key: _unpacked(part) for key, part in found.items()}
    return b64decode(found, validate=True) if isinstance(found, str) else found


def _with_role(literal: str, role: str) -> str:
    return literal.replace("{me}", role) if "{me}" in literal else literal


async def test_there_is_a_sample_of_every_type_that_postgresql_brings(connection: Connection) -> None:
    found = await texts(
        connection,
        """SELECT CASE typname WHEN 'char' THEN '"char"' ELSE typname END FROM pg_type
           WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm')
           AND NOT EXISTS (SELECT FROM pg_type AS of WHERE of.typarray = pg_type.oid)""",
    )

    assert set(found) - SAMPLES.keys() == NOT_WRITABLE
    assert SAMPLES.keys() <= set(found)


@pytest.mark.parametrize("type_name", SAMPLES)
async def test_a_value_comes_out_as_postgresql_writes_it(connection: Connection, type_name: str) -> None:
    role = await told(connection, "SELECT current_user::text")
    for sample in SAMPLES[type_name]:
        literal = _with_role(sample, role)

        assert await asked(connection, "x", type_name, literal) == await expected(
            connection, type_name, literal
        )


@pytest.mark.parametrize("type_name", [name for name in SAMPLES if not name.endswith("vector")])
async def test_an_array_is_a_list_with_its_nulls_and_dimensions(
    connection: Connection, type_name: str
) -> None:
    role = await told(connection, "SELECT current_user::text")
    for sample in SAMPLES[type_name]:
        literal = _with_role(sample, role)
        element = await expected(connection, type_name, literal)

        found = await asked(connection, "ARRAY[ARRAY[x, NULL], ARRAY[x, x]]", type_name, literal)

        assert found == [[element, None], [element, element]]


@pytest.mark.parametrize("type_name", sorted(SAMPLES.keys() - ONLY_AS_TEXT))
async def test_a_composite_is_an_object_and_an_anonymous_record_a_list(
    connection: Connection, type_name: str
) -> None:
    await connection.execute(f'CREATE TEMPORARY TABLE "it\'s" ("a b" {type_name}, c int)')
    for literal in SAMPLES[type_name]:
        field = await expected(connection, type_name, literal)

        composite = await asked(connection, 'ROW(x, 1)::"it\'s"', type_name, literal)
        record = await asked(connection, "ROW(x, NULL, ROW(x))", type_name, literal)

        assert composite == {"a b": field, "c": 1}
        assert record == [field, None, [field]]


@pytest.mark.parametrize("type_name", sorted(ONLY_AS_TEXT - {"aclitem", "regoper", "tsquery"}))
async def test_what_has_no_binary_form_here_is_refused_inside_of_a_record_and_never_garbled(
    connection: Connection, type_name: str
) -> None:
    role = await told(connection, "SELECT current_user::text")
    await connection.execute(f"CREATE TEMPORARY TABLE it (x {type_name})")
    literal = _with_role(SAMPLES[type_name][0], role)

    for sql in ("ROW(x)", "ROW(x)::it", "ARRAY[ROW(x)]"):
        with pytest.raises(Refused, match=r"text only|cannot be exchanged") as caught:
            await asked(connection, sql, type_name, literal)
        assert "to_jsonb" in (caught.value.hint or "")

    assert await value(connection, "SELECT 1") == 1


async def test_an_access_control_item_inside_of_a_record_is_refused_by_postgresql(
    connection: Connection,
) -> None:
    with pytest.raises(PostgresError, match="no binary output function"):
        await rows(connection, "SELECT ROW(relacl) FROM pg_class WHERE relacl IS NOT NULL LIMIT 1")


@pytest.mark.parametrize(
    "type_name", [name for name in SAMPLES if name not in {"aclitem", "int2vector", "oidvector"}]
)
async def test_what_came_out_goes_back_in_as_the_same_value(connection: Connection, type_name: str) -> None:
    role = await told(connection, "SELECT current_user::text")
    for sample in SAMPLES[type_name]:
        if type_name in {"json", "jsonb"} and sample == "null":
            continue  # which comes out as JSON null, as NULL does
        await same_again(connection, type_name, _with_role(sample, role))


async def test_every_relation_of_the_catalogue_can_be_read(connection: Connection) -> None:
    relations = await texts(
        connection,
        """SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v')
           AND relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)""",
    )
    assert len(relations) > 150

    # It has arrays of a composite with an array of any type.
    relations.remove("pg_statistic_ext_data")
    # NUMA is the machine's, or it is not.
    for relation in (relation for relation in relations if "numa" not in relation):
        await rows(connection, f"SELECT * FROM {relation} LIMIT 3")
    with pytest.raises(Refused, match="cannot be exchanged"):
        await rows(connection, "SELECT * FROM pg_statistic_ext_data")


async def test_a_function_of_no_value_answers_null(connection: Connection) -> None:
    assert await row(connection, "SELECT pg_sleep(0), textout('a'), NULL") == [None, "a", None]


async def test_an_enum_and_a_domain_come_as_what_they_are_made_of(connection: Connection) -> None:
    await connection.execute("""
        CREATE TYPE pg_temp."a mood" AS ENUM ('fine', 'it''s');
        CREATE DOMAIN pg_temp.price AS numeric(10, 2) CHECK (value > 0);
        CREATE DOMAIN pg_temp.prices AS price[];
    """)

    assert await row(
        connection,
        """SELECT 'it''s'::pg_temp."a mood", ARRAY['fine']::pg_temp."a mood"[], 1::pg_temp.price, '{1,2}'::pg_temp.prices""",
    ) == ["it's", ["fine"], "1.00", ["1.00", "2.00"]]


async def test_columns_tell_the_type_as_it_is_written_in_a_statement(connection: Connection) -> None:
    await connection.execute("CREATE TYPE mood AS ENUM ('fine')")
    prepared = await connection.prepare(
        "SELECT 1 AS a, 1::int8 AS a, '{}'::text[], '{}'::int4[], '{}'::oid[], '1'::int2vector, NULL::mood, NULL::mood[]"
    )

    columns = columns_of(prepared.get_attributes())

    assert [column["name"] for column in columns[:3]] == ["a", "a", "text"]
    assert [column["type"] for column in columns] == [
        "int4", "int8", "text[]", "int4[]", "oid[]", "int2vector", "public.mood", "public.mood[]",
    ]  # fmt: skip
