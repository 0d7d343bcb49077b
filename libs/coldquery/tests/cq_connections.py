"""Connections of a test's own, a clock that it moves, and a network that can go silent."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg

from coldquery.caller import Caller
from coldquery.connections.cursors import Page
from coldquery.connections.owner import Connections
from coldquery.connections.timeout import Timeout
from coldquery.limits import Limits
from coldquery.statements.reading import Reached

WRITER = Caller("writer", may_write=True)
OTHER = Caller("other", may_write=True)
READER = Caller("reader", may_write=False)
SOON = Timeout(20_000)
NOTHING = Reached()
WITHIN_SECONDS = 30.0


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def connections_to(
    url: str,
    limits: Limits | None = None,
    clock: Clock | None = None,
    within_seconds: float | None = WITHIN_SECONDS,
) -> AsyncGenerator[Connections]:
    """Started, and stopped at the end."""
    connections = Connections({"dsn": url}, limits or Limits(), clock=clock or Clock())
    await connections.start()
    try:
        async with asyncio.timeout(within_seconds):
            yield connections
    finally:
        await connections.stop()


async def read(
    connections: Connections,
    sql: str,
    params: Sequence[Any] | None = None,
    *,
    session: str | None = None,
    limit: Timeout = SOON,
    max_rows: int = 1000,
    max_bytes: int = 1_000_000,
) -> Page:
    """The first page of `sql`, for WRITER."""
    return await connections.cursors.read(
        WRITER, sql, params, session, limit, NOTHING, max_rows=max_rows, max_bytes=max_bytes
    )


async def more(
    connections: Connections,
    cursor: str | None,
    *,
    caller: Caller = WRITER,
    max_rows: int = 1000,
    max_bytes: int = 1_000_000,
) -> Page:
    assert cursor is not None
    return await connections.cursors.more(caller, cursor, max_rows, max_bytes, SOON)


async def value(connections: Connections, sql: str, session: str | None = None) -> Any:
    """What `sql` gives in a read, raw."""
    async with connections.reading(WRITER, session, SOON, NOTHING) as work:
        return await work.connection.fetchval(sql)


async def write(
    connections: Connections, sql: str, session: str | None = None, *, limit: Timeout = SOON
) -> str:
    """Its command tag; committed at once if there is no session."""
    async with connections.writing(WRITER, session, autocommit=session is None, timeout=limit) as work:
        return await work.connection.execute(sql)


async def begin(connections: Connections, *, read_only: bool = False) -> str:
    return (await connections.sessions.begin(WRITER, read_only=read_only)).session_id


async def states(admin: asyncpg.Connection) -> list[str]:
    """The states of all our backends in this database."""
    rows = await admin.fetch(
        "SELECT state FROM pg_stat_activity WHERE application_name = 'coldquery' "
        "AND datname = current_database() AND state IS NOT NULL ORDER BY state"
    )
    return [row["state"] for row in rows]


async def kill_backends(admin: asyncpg.Connection, where: str = "true") -> int:
    """Terminate ours, and wait until they are gone. How many they were."""
    pids = await admin.fetch(
        "SELECT pid, pg_terminate_backend(pid, 20000) AS gone FROM pg_stat_activity "
        f"WHERE application_name = 'coldquery' AND datname = current_database() AND {where}"
    )
    assert all(row["gone"] for row in pids)
    return len(pids)


async def eventually(admin: asyncpg.Connection, condition: str) -> None:
    """Until PostgreSQL says so; it is asked again and again, for half a minute."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while not await admin.fetchval(f"SELECT {condition}"):
            await asyncio.sleep(0)


class SilentNetwork:
    """A way to a server on which, once `is_silent`, nothing arrives any more, in either direction.

    With `swallows_answers` it is only what the server says that does not arrive.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self.is_silent = False
        self.swallows_answers = False
        self._server: asyncio.Server | None = None
        self._tasks = set[asyncio.Task[None]]()
        self._writers = list[asyncio.StreamWriter]()

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        login = f"{self._url.username}:{self._url.password}"
        return self._url._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    def cut(self) -> None:
        """Close all that goes over it."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        self._writers += [writer, up_writer]
        for one, other, answers in ((reader, up_writer, False), (up_reader, writer, True)):
            task = asyncio.create_task(self._carry(one, other, answers=answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if not (self.is_silent or (answers and self.swallows_answers)):
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        writer.close()
