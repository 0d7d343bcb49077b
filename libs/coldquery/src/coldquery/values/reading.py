"""PostgreSQL reads what only it can: a round trip to see whether all can be read, and one to have them."""

from collections.abc import Mapping
from typing import Any, Final

from asyncpg import Connection, PostgresError, Record
from asyncpg.types import Type

from coldquery.errors import StatementFailed
from coldquery.values.text_form import TextForm

_MOST_COLUMNS: Final = 1_000  # of a result; PostgreSQL has a few more

_NAMES = "SELECT pg_catalog.format_type(oid, NULL) FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS oid"

# Says what is wrong without an error, so that the transaction lives on.
_FIRST_WRONG = """
SELECT place, message, detail, hint, sql_error_code
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
    WITH ORDINALITY AS given (text, type, place),
    LATERAL pg_catalog.pg_input_error_info(text, type)
WHERE message IS NOT NULL ORDER BY place LIMIT 1
"""


async def read(
    connection: Connection, types: Mapping[int, Type], forms: Mapping[int, TextForm]
) -> dict[int, Any]:
    """The values that `forms` are of `types`, both by the index of the parameter.

    Raises StatementFailed with the index of the one that cannot be read. A composite that cannot be read, and
    a type that has no other way to say so, leave the transaction failed.
    """
    names = dict(zip(forms, await _names(connection, [types[index] for index in forms]), strict=True))
    texts = {index: form.text for index, form in forms.items() if not form.is_json}
    await _require_readable(connection, names, texts)
    values = await _cast(connection, names, texts)
    for index in forms.keys() - texts.keys():
        values[index] = await _composite(connection, index, names[index], forms[index].text)
    return values


async def _names(connection: Connection, types: list[Type]) -> list[str]:
    """The types as they are written in a statement."""
    if all(map(_is_builtin, types)):
        return [f'pg_catalog."{type_.name}"' for type_ in types]
    return [row[0] for row in await connection.fetch(_NAMES, [type_.oid for type_ in types])]


def _is_builtin(type_: Type) -> bool:
    return type_.schema == "pg_catalog" and type_.kind == "scalar"


async def _require_readable(
    connection: Connection, names: Mapping[int, str], texts: Mapping[int, str]
) -> None:
    row = await connection.fetchrow(_FIRST_WRONG, list(texts.values()), [names[index] for index in texts])
    if row:
        place, message, detail, hint, sqlstate = row
        text = f"params[{list(texts)[place - 1]}]: {message}"
        raise StatementFailed(text, sqlstate=sqlstate, detail=detail, hint=hint)


async def _cast(connection: Connection, names: Mapping[int, str], texts: Mapping[int, str]) -> dict[int, Any]:
    values: dict[int, Any] = {}
    indices = list(texts)
    for start in range(0, len(indices), _MOST_COLUMNS):
        some = indices[start : start + _MOST_COLUMNS]
        casts = [f"${number}::pg_catalog.text::{names[index]}" for number, index in enumerate(some, 1)]
        row = await connection.fetchrow("SELECT " + ", ".join(casts), *(texts[index] for index in some))
        values.update(zip(some, map(_parameter, row or ()), strict=True))
    return values


async def _composite(connection: Connection, index: int, name: str, text: str) -> Any:
    sql = f"SELECT value FROM pg_catalog.json_to_record($1::pg_catalog.text::pg_catalog.json) AS it (value {name})"  # noqa: S608 - PostgreSQL quoted the name
    try:
        return _parameter(await connection.fetchval(sql, f'{{"value": {text}}}'))
    except PostgresError as error:
        raise _failed(index, error) from error


def _parameter(value: Any) -> Any:
    # asyncpg takes a record inside of an array for another dimension, a tuple not.
    if isinstance(value, Record):
        return tuple(map(_parameter, value))
    return list(map(_parameter, value)) if isinstance(value, list) else value


def _failed(index: int, error: Any) -> StatementFailed:
    # asyncpg's errors have these attributes, but declare none.
    return StatementFailed(
        f"params[{index}]: {error.message}", sqlstate=error.sqlstate, detail=error.detail, hint=error.hint
    )
