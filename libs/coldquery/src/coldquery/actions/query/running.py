from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from coldquery.actions.query.answers import WriteAnswer
from coldquery.actions.query.room import Room
from coldquery.actions.savepoint import made_fail
from coldquery.errors import Refused
from coldquery.statements.statement import Statement
from coldquery.values.outgoing import columns_of, row_converter
from coldquery.values.parameters import bound
from coldquery.values.unreadable import readable

# What is counted by the rows that it returns: these can be read piece by piece, however many there are.
TAGS = {
    "SelectStmt": "SELECT",
    "InsertStmt": "INSERT",
    "UpdateStmt": "UPDATE",
    "DeleteStmt": "DELETE",
    "MergeStmt": "MERGE",
    "FetchStmt": "FETCH",
}
PIECE = 100
"""Rows that are held at once beside those of the answer."""


async def run(
    connection: asyncpg.Connection, statement: Statement, params: Sequence[Any] | None, room: Room
) -> WriteAnswer:
    """Run it to its end, whatever it returns; as many of its rows are shown as there is room for."""
    async with _undone_if_untold(connection):
        prepared = await connection.prepare(statement.sql)
        arguments = await bound(connection, prepared, params or ())
        tag = TAGS.get(statement.node)
        if tag and prepared.get_attributes() and connection.is_in_transaction():
            return await _run_in_pieces(prepared, arguments, tag, room)
        records = await prepared.fetch(*arguments)
        command, rows = command_and_rows(prepared.get_statusmsg() or "")
        return _answer(prepared, command, rows, records, room)


@asynccontextmanager
async def _undone_if_untold(connection: asyncpg.Connection) -> AsyncGenerator[None]:
    """Let the transaction fail if what PostgreSQL did cannot be told: whoever asked would do it again."""
    try:
        with readable():
            yield
    except Refused:
        if connection.is_in_transaction():
            await made_fail(connection)
        raise


async def _run_in_pieces(
    prepared: PreparedStatement, arguments: Sequence[Any], command: str, room: Room
) -> WriteAnswer:
    # A portal tells its rows, not its command tag; what it returns is also what it counts.
    rows = 0
    kept = _Kept(prepared, room)
    async for record in prepared.cursor(*arguments, prefetch=PIECE):
        rows += 1
        kept.add(record)
    return kept.answer(command, rows)


def _answer(
    prepared: PreparedStatement,
    command: str,
    rows: int | None,
    records: Sequence[asyncpg.Record],
    room: Room,
) -> WriteAnswer:
    kept = _Kept(prepared, room)
    for record in records:
        kept.add(record)
    return kept.answer(command, rows)


class _Kept:
    """The rows that there is room for."""

    def __init__(self, prepared: PreparedStatement, room: Room) -> None:
        attributes = prepared.get_attributes()
        self._columns = columns_of(attributes)
        self._convert = row_converter(attributes)
        self._room = room
        self._rows: list[list[Any]] = []
        self._truncated = False

    def add(self, record: asyncpg.Record) -> None:
        if self._truncated:
            return
        row = self._convert(record)
        if self._room.take(row):
            self._rows.append(row)
        else:
            self._truncated = True

    def answer(self, command: str, rows_affected: int | None) -> WriteAnswer:
        answer = WriteAnswer(
            command=command, rows_affected=rows_affected, columns=self._columns, rows=self._rows
        )
        if self._truncated:
            answer["truncated"] = True
        return answer


def command_and_rows(tag: str) -> tuple[str, int | None]:
    """Take PostgreSQL's command tag apart: "INSERT 0 5" is ("INSERT", 5), "CREATE TABLE" counts nothing."""
    words = tag.split()
    command = " ".join(word for word in words if not word.isdigit())
    return command, int(words[-1]) if words and words[-1].isdigit() else None
