"""Values through a real connection: what comes out, and what goes in."""

import json
from collections.abc import Sequence
from typing import Any

from asyncpg import Connection, connect

from coldquery.values.codecs import set_codecs
from coldquery.values.outgoing import row_converter
from coldquery.values.parameters import bound
from coldquery.values.unreadable import readable

# The oracle is what PostgreSQL writes under these.
ORACLE = {"intervalstyle": "iso_8601", "timezone": "UTC", "datestyle": "ISO", "extra_float_digits": "1"}


async def opened(url: str) -> Connection:
    """A connection with the codecs, as the pool would open it."""
    connection = await connect(url, server_settings=ORACLE, statement_cache_size=0)
    await set_codecs(connection)
    return connection


async def rows(connection: Connection, sql: str, *params: Any) -> list[list[Any]]:
    """The rows that `sql` answers with the JSON values `params`; that they are JSON is seen to."""
    with readable():
        prepared = await connection.prepare(sql)
        found = await prepared.fetch(*await bound(connection, prepared, params))
    answered = [row_converter(prepared.get_attributes())(record) for record in found]
    # Through JSON and back without NaN or infinity, and nothing that UTF-8 cannot hold.
    assert json.loads(json.dumps(answered, allow_nan=False, ensure_ascii=False).encode()) == answered
    return answered


async def row(connection: Connection, sql: str, *params: Any) -> list[Any]:
    (answered,) = await rows(connection, sql, *params)
    return answered


async def value(connection: Connection, sql: str, *params: Any) -> Any:
    (answered,) = await row(connection, sql, *params)
    return answered


async def same_again(connection: Connection, type_name: str, text: str) -> Any:
    """What `text` of the type comes out as, having seen that it goes back in as the same value."""
    out = await value(connection, f"SELECT $1::text::{type_name}", text)
    sql = f"SELECT ($1::{type_name})::text, $2::text::{type_name}::text"
    back, expected = await row(connection, sql, out, text)
    assert back == expected, (type_name, text, out)
    return out


async def texts(connection: Connection, sql: str, arguments: Sequence[Any] = ()) -> list[str]:
    return [record[0] for record in await connection.fetch(sql, *arguments)]


async def told(connection: Connection, sql: str, *arguments: Any) -> str:
    """The text that PostgreSQL itself answers with."""
    found = await connection.fetchval(sql, *arguments)
    assert isinstance(found, str)
    return found
