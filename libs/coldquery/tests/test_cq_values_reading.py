"""The rows as a whole: how they are converted, how big they are, and what happens when a type is altered."""

from typing import Any

import pytest
from asyncpg import Connection, InternalClientError, PostgresError
from cq_values import opened, row, rows, value

from coldquery.errors import Refused
from coldquery.values.outgoing import row_converter
from coldquery.values.size import json_size
from coldquery.values.unreadable import TypeAltered, readable


async def test_a_row_of_nothing_to_convert_is_only_made_a_list(connection: Connection) -> None:
    prepared = await connection.prepare(
        "SELECT 1, true, 'a', 'b'::name, 5::oid, 'c'::varchar, '1.2.3.4'::inet"
    )

    assert row_converter(prepared.get_attributes()) is list


async def test_columns_of_one_name_and_of_none_all_come(connection: Connection) -> None:
    assert await row(connection, "SELECT 1 AS a, 2::int8 AS a, NULL::int8 AS a") == [1, 2, None]
    assert await row(connection, "SELECT") == []


async def test_a_statement_without_rows_has_none(connection: Connection) -> None:
    assert await rows(connection, "SELECT 1::int8 WHERE false") == []


async def test_the_codecs_outlive_discarding_all_and_forgetting_types(connection: Connection) -> None:
    for forget in (connection.reload_schema_state(), connection.execute("DISCARD ALL")):
        await forget
        assert await row(connection, "SELECT 'infinity'::date, '{}'::jsonb, ARRAY['-infinity'::date]") == [
            "infinity", {}, ["-infinity"],
        ]  # fmt: skip


@pytest.fixture
async def altered(values_url: str, connection: Connection) -> str:
    """A type that was altered by another since the connection had read how it is made."""
    other = await opened(values_url)
    await other.execute("DROP TYPE IF EXISTS altered; CREATE TYPE altered AS (a int)")
    assert await value(connection, "SELECT '(1)'::altered") == {"a": 1}
    await other.execute("ALTER TYPE altered ADD ATTRIBUTE b text")
    await other.close()
    return "altered"


async def test_a_type_altered_elsewhere_is_told_once_and_then_known(
    connection: Connection, altered: str
) -> None:
    sql = f"SELECT '(1,x)'::{altered}"
    async with connection.transaction():
        with pytest.raises(TypeAltered, match="altered at the same time; repeat the call"):
            await value(connection, sql)
        assert await value(connection, sql) == {"a": 1, "b": "x"}


async def test_after_a_cursor_it_is_known_when_the_types_were_forgotten(
    connection: Connection, altered: str
) -> None:
    sql = f"SELECT '(1,x)'::{altered}"
    async with connection.transaction():
        cursor = await connection.cursor(sql)
        with pytest.raises(TypeAltered), readable():
            await cursor.fetch(1)
        await connection.reload_schema_state()

        assert await value(connection, sql) == {"a": 1, "b": "x"}


async def test_a_record_with_a_type_that_is_not_known_is_refused_and_the_connection_goes_on(
    connection: Connection,
) -> None:
    await connection.execute("CREATE TYPE pg_temp.mood AS ENUM ('fine')")
    await connection.execute("CREATE TYPE pg_temp.part AS (m pg_temp.mood)")
    async with connection.transaction():
        with pytest.raises(Refused, match="text only"):
            await value(connection, "SELECT ROW('(fine)'::pg_temp.part)")

        assert await value(connection, "SELECT '(fine)'::pg_temp.part") == {"m": "fine"}


async def test_what_is_no_trouble_of_reading_goes_through_as_it_is(connection: Connection) -> None:
    with pytest.raises(InternalClientError, match="another thing"), readable():
        raise InternalClientError("another thing")
    with pytest.raises(PostgresError, match="division by zero"), readable():
        await connection.fetch("SELECT 1 / 0")


@pytest.mark.parametrize(
    ("found", "size"), [("", 2), ("é", 4), ("\U0001f600", 6), ('"', 4), ([1, None], 8), ({"a": "\n"}, 10)]
)
def test_the_size_of_a_value_counts_bytes_and_not_characters(found: Any, size: int) -> None:
    assert json_size(found) == size
