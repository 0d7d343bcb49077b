from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from asyncpg.cursor import Cursor

from coldquery.connections.pool import Connection
from coldquery.values.outgoing import Column, columns_of, row_converter
from coldquery.values.parameters import bound
from coldquery.values.size import json_size
from coldquery.values.unreadable import readable

FIRST_BATCH = 2
"""Rows that are fetched before the size of one is known."""
GROWTH = 8
"""How many times as many follow, at most: rows differ in size, and those of a batch are all in memory."""
MAX_BATCH = 5000

Row = list[Any]


class Portal:
    """The rows of a statement, JSON-safe, asked for as they are needed; it lives in a transaction."""

    def __init__(
        self, sql: str, cursor: Cursor, columns: list[Column], convert: Callable[[asyncpg.Record], Row]
    ) -> None:
        self.sql = sql
        self.columns = columns
        self._cursor = cursor
        self._convert = convert
        self._waiting = deque[tuple[Row, int]]()
        self._is_exhausted = False
        self._fetched = 0
        self._fetched_bytes = 0

    @classmethod
    async def opened(cls, connection: Connection, sql: str, params: Sequence[Any] | None) -> "Portal":
        """For `sql` with `params` as JSON has them. Raises Refused and what PostgreSQL says."""
        with readable():
            prepared = await connection.prepare(sql)
            attributes = prepared.get_attributes()
            arguments = await bound(connection, prepared, params or [])
            cursor = await prepared.cursor(*arguments)
        return cls(sql, cursor, columns_of(attributes), row_converter(attributes))

    @property
    def is_at_end(self) -> bool:
        return self._is_exhausted and not self._waiting

    @property
    def name(self) -> str:
        """What it is called at the server; asyncpg has no call for that."""
        return str(self._cursor._portal_name)  # noqa: SLF001

    @property
    def closing(self) -> str:
        """What closes it; asyncpg has no call for that either."""
        return f'CLOSE "{self.name}"'

    async def page(self, max_rows: int, max_bytes: int) -> list[Row]:
        """The next rows, at most `max_rows`, and of `max_bytes` as JSON unless the first has more alone.

        What was fetched and does not fit waits for the next page; so does one row more, which tells whether
        there is a next page.
        """
        rows = list[Row]()
        left = max_bytes
        while len(rows) < max_rows and await self._has_next(max_rows - len(rows), left):
            row, size = self._waiting[0]
            if rows and size > left:
                break
            self._waiting.popleft()
            rows.append(row)
            left -= size
        await self._has_next(0, left)
        return rows

    async def _has_next(self, max_rows: int, max_bytes: int) -> bool:
        if not self._waiting and not self._is_exhausted:
            await self._fetch(self._batch(max_rows, max_bytes))
        return bool(self._waiting)

    def _batch(self, max_rows: int, max_bytes: int) -> int:
        """As many as should fit, and one more."""
        if not self._fetched:
            return min(max_rows + 1, FIRST_BATCH)
        fitting = max(max_bytes, 0) * self._fetched // max(self._fetched_bytes, 1)
        return min(max_rows, fitting, GROWTH * self._fetched, MAX_BATCH) + 1

    async def _fetch(self, count: int) -> None:
        with readable():
            records = await self._cursor.fetch(count)
        self._is_exhausted = len(records) < count
        for record in records:
            row = self._convert(record)
            size = json_size(row) + 2
            self._waiting.append((row, size))
            self._fetched_bytes += size
        self._fetched += len(records)
