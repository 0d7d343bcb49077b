"""What a statement's parameters take, and how what they do not take is refused."""

from typing import Any

import pytest
from asyncpg import Connection
from cq_values import row, rows, value

from coldquery.errors import Refused, StatementFailed

TOO_MANY = 32_768


async def refusal(connection: Connection, sql: str, *params: Any) -> str:
    with pytest.raises(Refused) as caught:
        await rows(connection, sql, *params)
    return caught.value.message


@pytest.mark.parametrize(
    ("type_name", "given", "answer"),
    [
        ("bool", True, True),
        ("bool", "off", False),
        ("int2", -32768, -32768),
        ("int4", 2147483647, 2147483647),
        ("int4", " 0x1F ", 31),
        ("int8", "9223372036854775807", "9223372036854775807"),
        ("oid", 4294967295, 4294967295),
        ("float4", 0.1, 0.1),
        ("float4", 1, 1.0),
        ("float8", 0.1, 0.1),
        ("float8", 3, 3.0),
        ("float8", "-Infinity", "-Infinity"),
        ("float8", 10**300, 1e300),
        ("numeric", 1.1, "1.1"),
        ("numeric", 1e-7, "0.0000001"),
        ("numeric", 12345678901234567890, "12345678901234567890"),
        ("numeric", "1.10", "1.10"),
        ("numeric", "+1", "1"),
        ("numeric", "1_000.5", "1000.5"),
        ("numeric", "nan", "NaN"),
        ("text", "", ""),
        ("varchar", "a", "a"),
        ("uuid", "11111111-2222-3333-4444-555555ABCDEF", "11111111-2222-3333-4444-555555abcdef"),
        ("uuid", "{11111111222233334444555555abcdef}", "11111111-2222-3333-4444-555555abcdef"),
        ("date", "March 15, 44 BC", "0044-03-15 BC"),
        ("timestamptz", "2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00+00:00"),
        ("interval", "1 day 2 hours", "P1DT2H"),
        ("inet", "10.1.2.3/8", "10.1.2.3/8"),
        ("money", 5, "$5.00"),
        ("point", "1, 2", "(1,2)"),
        ("int4range", "(0,2]", "[1,3)"),
        ("int4multirange", ["[1,2)", "[2,3)"], ["[1,3)"]),
        ("int4multirange", "{[1,2)}", ["[1,2)"]),
        ("regclass", "pg_class", "pg_class"),
        ('"char"', "a", "a"),
        ("tsvector", "b a", "'a' 'b'"),
        ("json", '{"a": 1}', {"a": 1}),
        ("json", {"a": [1, None, "b"]}, {"a": [1, None, "b"]}),
        ("jsonb", [1, 2], [1, 2]),
        ("jsonb", True, True),
        ("jsonb", 1.5, 1.5),
        ("jsonb", '"a"', "a"),
        ("bytea", "AP8=", "AP8="),
        ("int4[]", [1, None, "3"], [1, None, 3]),
        ("int4[]", "{1,2}", [1, 2]),
        ("int4[]", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ("bool[]", [True, False, None], [True, False, None]),
        ("date[]", ["2026-11-22", None], ["2026-11-22", None]),
        ("numrange[]", ["[1,2)", "empty"], ["[1,2)", "empty"]),
        ("box[]", ["(1,1),(0,0)", "(3,3),(2,2)"], ["(1,1),(0,0)", "(3,3),(2,2)"]),
        ("jsonb[]", [{"a": 1}, [1, 2], None, "3"], [{"a": 1}, [1, 2], None, 3]),
        ("bytea[]", ["AP8=", None, ""], ["AP8=", None, ""]),
    ],
)
async def test_a_json_value_becomes_what_the_statement_takes(
    connection: Connection, type_name: str, given: Any, answer: Any
) -> None:
    assert await value(connection, f"SELECT $1::{type_name}", given) == answer


async def test_a_moment_may_be_in_the_words_that_postgresql_has_for_it(connection: Connection) -> None:
    sql = "SELECT $1::date = current_date + 1, $2::timestamptz = now(), $3::date"

    async with connection.transaction():
        assert await row(connection, sql, "tomorrow", "now", None) == [True, True, None]


async def test_a_parameter_reaches_a_column_as_its_type(connection: Connection) -> None:
    await connection.execute("CREATE TEMPORARY TABLE it (a date, b numeric(5,1), c jsonb, d text[])")

    await rows(connection, "INSERT INTO it VALUES ($1, $2, $3, $4)", "2026-11-22", "1.25", {"k": 1}, ["x"])

    assert await row(connection, "SELECT * FROM it WHERE a = $1", "2026-11-22") == [
        "2026-11-22", "1.3", {"k": 1}, ["x"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type_name", "given", "message"),
    [
        ("int4", True, "int4 and has to be a whole number, beyond 2^53 as a string, not a boolean"),
        ("int4", 1.0, "int4 and has to be a whole number, beyond 2^53 as a string, not a number"),
        ("int4", [1], "int4 and has to be a whole number, beyond 2^53 as a string, not a list"),
        ("bool", 1, "bool and has to be true or false, not a number"),
        ("float8", False, "float8 and has to be a number, not a boolean"),
        ("float4", [], "float4 and has to be a number, not a list"),
        ("numeric", True, "numeric and has to be a number, or a string of its digits, not a boolean"),
        ("text", 1, "text and has to be a string, not a number"),
        ("text", {"a": 1}, "text and has to be a string, not an object"),
        ("uuid", 1, "uuid and has to be a string, not a number"),
        ("date", True, "date and has to be a string, not a boolean"),
        ("date", ["2026-11-22"], "date and has to be a string, not a list"),
        ("bytea", "a", "bytea and has to be a string of base64, not this string"),
        ("bytea", "a=b=", "bytea and has to be a string of base64, not this string"),
        ("bytea", 1, "bytea and has to be a string of base64, not a number"),
        ("bytea[]", ["\\x00"], "bytea[] and has to be a string of base64, not a list"),
        ("bytea[]", [1], "bytea[] and has to be a string of base64, not a list"),
        ("int4[]", 1, "int4[] and has to be a list, not a number"),
        ("int4[]", {"a": 1}, "int4[] and has to be a list, not an object"),
        ("int4range", [1, 2], "int4range and has to be a string such as [1,10), not a list"),
        ("int4multirange", [1], "int4multirange and has to be a list of strings such as [1,10), not a list"),
        (
            "int2vector",
            [1],
            "int2vector and has to be written into the statement, such as '1 2'::int2vector, not a list",
        ),
    ],
)
async def test_a_value_of_the_wrong_type_is_refused_by_its_index_and_what_is_wanted(
    connection: Connection, type_name: str, given: Any, message: str
) -> None:
    refused = await refusal(connection, f"SELECT $1::text, $2::{type_name}", "fine", given)

    assert refused == f"params[1] is of type {message}."


@pytest.mark.parametrize(
    ("type_name", "given", "sqlstate", "message"),
    [
        ("int4", 2147483648, "22003", 'value "2147483648" is out of range for type integer'),
        ("int2", -32769, "22003", 'value "-32769" is out of range for type smallint'),
        ("int8", 2**63, "22003", f'value "{2**63}" is out of range for type bigint'),
        ("int4", "one", "22P02", 'invalid input syntax for type integer: "one"'),
        ("numeric", "1" * 131_073, "22003", "value overflows numeric format"),
        ("numeric", "0." + "1" * 16_384, "22003", "value overflows numeric format"),
        ("float4", 1e300, "22003", '"1e+300" is out of range for type real'),
        ("date", "2026-02-30", "22008", 'date/time field value out of range: "2026-02-30"'),
        ("timestamptz", "soon", "22007", 'invalid input syntax for type timestamp with time zone: "soon"'),
        ("uuid", "1", "22P02", 'invalid input syntax for type uuid: "1"'),
        ("json", "{a}", "22P02", "invalid input syntax for type json"),
        ("int4range", "[2,1)", "22000", "range lower bound must be less than or equal to range upper bound"),
        ("int4[]", [1, "x"], "22P02", 'invalid input syntax for type integer: "x"'),
        ("int4[]", [1, [2]], "22P02", None),
        ("regclass", "no_such", "42P01", 'relation "no_such" does not exist'),
    ],
)
async def test_what_postgresql_cannot_read_is_told_by_its_index_and_the_transaction_lives_on(
    connection: Connection, type_name: str, given: Any, sqlstate: str, message: str | None
) -> None:
    async with connection.transaction():
        with pytest.raises(StatementFailed) as caught:
            await rows(connection, f"SELECT $1::date, $2::{type_name}, $3::date", "today", given, "today")

        assert await connection.fetchval("SELECT 1") == 1
    assert caught.value.sqlstate == sqlstate
    assert caught.value.message.startswith("params[1]: ")
    assert message is None or caught.value.message == f"params[1]: {message}"


@pytest.mark.parametrize("given", [[], [1, 2], [1, 2, 3]])
async def test_too_few_or_too_many_are_refused(connection: Connection, given: list[int]) -> None:
    if len(given) == 2:
        assert await row(connection, "SELECT $1::int4, $2::int4", *given) == given
        return
    message = await refusal(connection, "SELECT $1::int4, $2::int4", *given)

    assert message == f"The statement takes 2 params, and {len(given)} were given."


async def test_as_many_are_taken_as_the_protocol_can_say(connection: Connection) -> None:
    most = ", ".join(f"${number}::int4" for number in range(1, TOO_MANY))

    assert await value(connection, f"SELECT cardinality(ARRAY[{most}])", *range(1, TOO_MANY)) == TOO_MANY - 1
    assert f"There are {TOO_MANY} params" in await refusal(connection, "SELECT 1", *range(TOO_MANY))


@pytest.mark.parametrize(
    "given", ["1" * 131_072, "0." + "1" * 16_383, "-" + "9" * 20_000 + "." + "9" * 10_000]
)
async def test_a_numeric_goes_in_with_as_many_digits_as_postgresql_has(
    connection: Connection, given: str
) -> None:
    assert await row(connection, "SELECT $1::numeric, $2::text::numeric = $1", given, given) == [given, True]


async def test_thousands_may_be_what_postgresql_has_to_read(connection: Connection) -> None:
    most = ", ".join(f"${number}::date" for number in range(1, 2_502))

    assert await value(connection, f"SELECT cardinality(ARRAY[{most}])", *["2026-11-22"] * 2_501) == 2_501


@pytest.mark.parametrize("given", ["a\0", ["a\0"], {"a\0": 1}, {"a": [{"b": "\0"}]}])
@pytest.mark.parametrize("type_name", ["text", "jsonb", "text[]", "date"])
async def test_a_nul_character_is_refused_wherever_it_is(
    connection: Connection, type_name: str, given: Any
) -> None:
    assert await refusal(connection, f"SELECT 1, $1::{type_name}", given) == (
        "params[0] has a NUL character, which PostgreSQL has in no text."
    )


@pytest.mark.parametrize("given", ["\ud800", ["é\udfff"], {"\ud800": 1}])
async def test_half_of_a_surrogate_pair_is_refused_wherever_it_is(connection: Connection, given: Any) -> None:
    assert await refusal(connection, "SELECT $1::jsonb", given) == (
        "params[0] has half of a surrogate pair, which is no character."
    )


async def test_a_number_that_json_does_not_have_is_refused(connection: Connection) -> None:
    for given in ([float("nan")], float("inf")):
        assert "number that JSON does not have" in await refusal(connection, "SELECT $1::jsonb", given)


async def test_a_document_nested_beyond_all_measure_is_refused(connection: Connection) -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]

    for type_name in ("jsonb", "text[]"):
        assert await refusal(connection, f"SELECT $1::{type_name}", deep) == "params[0] is nested too deep."


async def test_a_name_that_is_too_long_is_refused_by_postgresql_and_not_cut(connection: Connection) -> None:
    from asyncpg import PostgresError

    assert await value(connection, "SELECT $1::name", "n" * 63) == "n" * 63
    with pytest.raises(PostgresError, match="identifier too long"):
        await rows(connection, "SELECT $1::name", "n" * 64)


async def test_a_composite_is_an_object_and_lists_of_them_are_arrays(connection: Connection) -> None:
    await connection.execute("""
        CREATE TYPE pg_temp.part AS (d date, n numeric, t text[]);
        CREATE TYPE pg_temp.whole AS (parts part[], "a b" part, j jsonb);
    """)
    part = {"d": "2026-11-22", "n": "1.10", "t": ["a", None, '"']}
    whole = {"parts": [part, None], "a b": part, "j": {"x": [1]}}

    assert await value(connection, "SELECT $1::pg_temp.whole", whole) == whole
    assert await value(connection, "SELECT $1::pg_temp.whole[]", [whole, None]) == [whole, None]
    assert (
        await value(connection, "SELECT $1::pg_temp.part", '(2026-11-22,1.10,"{a,NULL,\\"\\\\\\"\\"}")')
        == part
    )
    assert await value(connection, "SELECT $1::pg_temp.part", {}) == {"d": None, "n": None, "t": None}
    assert "has to be an object, not a list" in await refusal(connection, "SELECT $1::pg_temp.part", [1])


async def test_a_composite_that_postgresql_cannot_read_is_told_by_its_index(connection: Connection) -> None:
    await connection.execute("CREATE TYPE pg_temp.part AS (d date)")

    with pytest.raises(StatementFailed, match=r"params\[1\]: invalid input syntax for type date") as caught:
        await rows(connection, "SELECT $1::int4, $2::pg_temp.part", 1, {"d": "soon"})
    assert caught.value.sqlstate == "22007"


async def test_enums_domains_and_names_that_need_quotes(connection: Connection) -> None:
    await connection.execute("""
        CREATE TYPE pg_temp."a ""mood'" AS ENUM ('fine', 'it''s');
        CREATE DOMAIN pg_temp."Price $1" AS numeric(10, 2) CHECK (value > 0);
    """)
    mood = """pg_temp."a ""mood'" """

    assert await row(connection, f"SELECT $1::{mood}, $2::{mood}[]", "it's", ["fine", None]) == [
        "it's",
        ["fine", None],
    ]
    with pytest.raises(StatementFailed, match=r"params\[0\]: invalid input value for enum"):
        await rows(connection, f"SELECT $1::{mood}", "sad")
    assert await row(connection, 'SELECT $1::pg_temp."Price $1", $2::pg_temp."Price $1"[]', 1, ["2"]) == [
        "1.00",
        ["2.00"],
    ]


async def test_a_type_of_an_extension_takes_a_string_or_a_list_as_it_reads_them(
    connection: Connection,
) -> None:
    if not await connection.fetchval("SELECT true FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("this server has no vector")
    await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")

    assert await row(connection, "SELECT $1::vector, $2::vector, $3::vector[]", "[1,2]", [1, 2.5], ["[1]"]) == [
        "[1,2]", "[1,2.5]", ["[1]"],
    ]  # fmt: skip
    with pytest.raises(Refused, match="text only"):
        await rows(connection, "SELECT ROW($1::vector)", "[1,2]")


async def test_what_a_parameter_says_is_never_part_of_the_statement(connection: Connection) -> None:
    text = "'); DROP TABLE it; --\\"

    assert await value(connection, "SELECT $1::text", text) == text
    assert await value(connection, "SELECT $1::text[]", [text]) == [text]
    with pytest.raises(StatementFailed):
        await rows(connection, "SELECT $1::date", text)
