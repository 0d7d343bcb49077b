"""A value that came out goes back in as the same value; PostgreSQL says what it is, and whether it is the same."""

import math
import struct
from decimal import Decimal

import pytest
from asyncpg import Connection
from cq_values import row, same_again, told, value
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
awkward = (
    st.sampled_from(["", "NULL", "null", '"', "\\", '\\"', "{}", "{", ",", " ", "a b", "(", "[", "\n", "é"])
    | texts
)


@few
@given(days=st.integers(-2451545, 2145031948))
@example(days=-730119)
@example(days=-730120)
@example(days=2921939)
@example(days=2921940)
async def test_a_date_of_any_year_that_postgresql_has(connection: Connection, days: int) -> None:
    text = await told(connection, "SELECT (date '2000-01-01' + $1::int)::text", days)

    assert await same_again(connection, "date", text) == text


@few
@given(microseconds=st.integers(-211813488000000000, 9223371331199999999))
@example(microseconds=-63082281600000000)
@example(microseconds=-63082281600000001)
@example(microseconds=252455615999999999)
@example(microseconds=252455616000000000)
async def test_a_moment_of_any_year_that_postgresql_has(connection: Connection, microseconds: int) -> None:
    ((text, as_json),) = await connection.fetch(
        """SELECT t::text, to_jsonb(t) #>> '{}' FROM (SELECT timestamp '2000-01-01'
           + make_interval(days => ($1::int8 / 86400000000)::int)
           + ($1::int8 % 86400000000) * interval '1 microsecond') AS it (t)""",
        microseconds,
    )

    assert await same_again(connection, "timestamp", text) == as_json
    far = " BC" if text.endswith(" BC") else ""
    with_zone = await same_again(connection, "timestamptz", f"{text.removesuffix(far)}+00{far}")
    assert with_zone.removesuffix(" BC") == f"{as_json.removesuffix(' BC')}+00:00"


@few
@given(
    months=st.integers(-(2**31) + 1, 2**31 - 1) | st.integers(-30, 30),
    days=st.integers(-(2**31) + 1, 2**31 - 1),
    microseconds=st.integers(-(2**53), 2**53) | st.integers(-61_000_000, 61_000_000),
)
@example(months=0, days=0, microseconds=0)
@example(months=-1, days=1, microseconds=-1)
async def test_an_interval_of_any_signs(
    connection: Connection, months: int, days: int, microseconds: int
) -> None:
    sql = "SELECT (make_interval(months => $1, days => $2) + $3::int8 * interval '1 microsecond')::text"
    text = await told(connection, sql, months, days, microseconds)

    assert await same_again(connection, "interval", text) == text


async def test_an_interval_without_end_where_postgresql_has_it(connection: Connection) -> None:
    if connection.get_server_version().major < 17:
        pytest.skip("has none")
    assert await same_again(connection, "interval", "infinity") == "infinity"
    assert await same_again(connection, "interval", "-infinity") == "-infinity"


@few
@given(digits=st.from_regex(r"-?[1-9][0-9]{0,1200}(\.[0-9]{1,1200})?", fullmatch=True))
@example(digits="0.00")
@example(digits="0.000000000000000000000000000000000000000010")
@example(digits="1" + "0" * 131071)
@example(digits="-0." + "0" * 16382 + "1")
async def test_a_numeric_keeps_every_digit(connection: Connection, digits: str) -> None:
    assert await same_again(connection, "numeric", digits) == digits


@pytest.mark.parametrize(("given_", "answer"), [("12345", "12300"), ("-49", "0"), ("50", "100")])
async def test_a_numeric_of_negative_scale(connection: Connection, given_: str, answer: str) -> None:
    assert await same_again(connection, "numeric(5,-2)", given_) == answer


@few
@given(number=st.floats(allow_nan=False, allow_infinity=False))
@example(number=5e-324)
@example(number=-0.0)
@example(number=1e15)
@example(number=9007199254740993.0)
async def test_a_float_is_the_same_to_the_last_bit(connection: Connection, number: float) -> None:
    out, text, point = await row(
        connection, "SELECT $1::float8, $1::float8::text, point($1::float8, 0)", number
    )
    same_point = "SELECT point_send($1::point) = point_send(point($2::float8, 0))"

    assert struct.pack("!d", out) == struct.pack("!d", number) == struct.pack("!d", float(text))
    assert await value(connection, same_point, point, number) is True


@few
@given(number=st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(number=1e-45)
@example(number=3.4028234663852886e38)
async def test_a_float_of_single_precision_has_the_digits_that_postgresql_writes(
    connection: Connection, number: float
) -> None:
    text = await told(connection, "SELECT $1::float8::float4::text", number)

    out = await same_again(connection, "float4", text)

    assert Decimal(repr(out)) == Decimal(text)
    assert math.copysign(1, out) == math.copysign(1, number)


@few
@given(number=st.integers(-(2**63), 2**63 - 1))
@example(number=2**53)
@example(number=2**53 + 1)
@example(number=-(2**53))
@example(number=-(2**53) - 1)
async def test_a_bigint_is_a_number_as_far_as_every_reader_has_them(
    connection: Connection, number: int
) -> None:
    out = await same_again(connection, "int8", str(number))

    assert out == (number if abs(number) <= 2**53 else str(number))


@few
@given(data=st.binary(max_size=50))
async def test_bytes_are_base64(connection: Connection, data: bytes) -> None:
    out = await same_again(connection, "bytea", f"\\x{data.hex()}")

    assert out == (await connection.fetchval("SELECT encode($1::text::bytea, 'base64')", f"\\x{data.hex()}"))
    array, record = await row(connection, "SELECT ARRAY[$1::bytea, NULL], ROW($1::bytea)", out)
    assert array == [out, None]
    assert record == [out]
    assert await value(connection, "SELECT $1::bytea[]", [out, None]) == [out, None]


@few
@given(st.integers(1, 3), st.integers(1, 3), st.data())
async def test_an_array_of_any_text_with_nulls(
    connection: Connection, rows: int, columns: int, data: st.DataObject
) -> None:
    inner = st.lists(st.none() | awkward, min_size=columns, max_size=columns)
    array = data.draw(st.lists(inner, min_size=rows, max_size=rows))

    out, dimensions = await row(connection, "SELECT $1::text[], array_ndims($1::text[])", array)

    assert out == array
    assert dimensions == 2
    assert await value(connection, "SELECT $1::text[]", array[0]) == array[0]


async def test_an_array_of_nothing(connection: Connection) -> None:
    assert await row(connection, "SELECT $1::int4[], $2::text[], '{}'::int4[]", [], [[], []]) == [
        [],
        [],
        [],
    ]


def _ranges(bounds: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    bound = st.just("") | bounds
    pairs = st.tuples(st.sampled_from("[("), bound, bound, st.sampled_from("])"))
    return pairs.map(lambda parts: f"{parts[0]}{parts[1]},{parts[2]}{parts[3]}")


@few
@given(text=_ranges(st.sampled_from(["1", "1.10", "2", "Infinity", "NaN"])))
async def test_a_range_of_any_bounds_is_what_postgresql_writes(connection: Connection, text: str) -> None:
    if not await connection.fetchval("SELECT pg_input_is_valid($1, 'numrange')", text):
        return
    out = await same_again(connection, "numrange", text)

    assert out == await connection.fetchval("SELECT $1::text::numrange::text", text)


@few
@given(low=awkward, high=awkward)
async def test_a_range_of_texts_is_quoted_as_postgresql_does(
    connection: Connection, low: str, high: str
) -> None:
    await connection.execute(
        'DROP TYPE IF EXISTS pg_temp.words; CREATE TYPE pg_temp.words AS RANGE (subtype = text, collation = "C")'
    )
    low, high = sorted((low, high), key=str.encode)
    await connection.reload_schema_state()

    text = await told(connection, "SELECT pg_temp.words($1::text, $2::text, '[]')::text", low, high)

    assert await same_again(connection, "pg_temp.words", text) == text


@few
@given(
    cells=st.lists(st.none() | awkward, min_size=2, max_size=2),
    numbers=st.lists(st.none() | st.integers(0, 9), max_size=3),
)
async def test_a_range_of_records_is_quoted_as_postgresql_does(
    connection: Connection, cells: list[str | None], numbers: list[int | None]
) -> None:
    await connection.execute("""
        DROP TYPE IF EXISTS pg_temp.cells, pg_temp.cell CASCADE;
        CREATE TYPE pg_temp.cell AS (a text, b text[], c int[], d timestamptz, e bytea, f bool);
        CREATE TYPE pg_temp.cells AS RANGE (subtype = pg_temp.cell);
    """)
    await connection.reload_schema_state()
    sql = "SELECT ROW($1::text, $2::text[], $3::int[], '2026-11-22 10:00+00', '\\x00ff', true)::pg_temp.cell"

    out, text = await row(
        connection,
        f"SELECT r, r::text FROM (SELECT pg_temp.cells(({sql}), NULL)) AS _ (r)",
        cells[0],
        cells,
        numbers,
    )

    assert out == text
