import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ci_server.domain.errors import StorageUnavailable
from ci_server.storage.database import CHANNEL, Database

POLL_SECONDS = 0.02
"""Between two looks at the file of SQLite, each of which takes some microseconds."""
AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 5.0
STILL_THERE_SECONDS = 10.0
STOP_SECONDS = 2.0

_ARE_YOU_THERE = text("SELECT 1")
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Changes:
    """Wakes who waits for the database of the jobs, when any process has committed something to it.

    It tells neither what nor how often: who is woken looks. Something may be missed while the database is away;
    when it is back that counts as a change. `start` needs an event loop; `stop` takes two seconds at the most.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=STOP_SECONDS)

    def version(self) -> int:
        """A number that grows with every change that was noticed."""
        return self._version

    async def wait(self, seen: int, timeout: float) -> int:  # noqa: ASYNC109  # it is no error when it is over
        """The version as soon as it is more than `seen`, or after `timeout` seconds as it is then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._version <= seen:
                    await self._changed.wait()
        return self._version

    def _note(self) -> None:
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def _follow(self) -> None:
        follow = self._poll if self._database.is_sqlite else self._listen
        while True:
            try:
                await follow()
            except (StorageUnavailable, sqlite3.Error, TimeoutError) as error:
                _log.warning("changes_not_followed", error=str(error))
            except Exception:  # noqa: BLE001  # where a round of the loop ends
                _log.exception("following_changes_broke")
            await asyncio.sleep(AGAIN_SECONDS)

    async def _poll(self) -> None:
        with closing(_opened(self._database.file)) as connection:
            seen = _data_version(connection)
            # Whatever was committed until here was committed before there was anything to compare with.
            self._note()
            while True:
                await asyncio.sleep(POLL_SECONDS)
                if (now := _data_version(connection)) != seen:
                    seen = now
                    self._note()

    async def _listen(self) -> None:
        async with self._database.alone() as connection:
            lost = await self._listen_on(connection)
            self._note()
            while not lost.is_set():
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.execute(_ARE_YOU_THERE)
                with suppress(TimeoutError):
                    async with asyncio.timeout(STILL_THERE_SECONDS):
                        await lost.wait()

    async def _listen_on(self, connection: AsyncConnection) -> asyncio.Event:
        """An event that is set when the connection is found dead."""
        lost = asyncio.Event()

        def told(*_: object) -> None:
            self._note()

        def ended(_connection: object) -> None:
            lost.set()

        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.add_termination_listener(ended)
        await driver.add_listener(CHANNEL, told)
        return lost


def _opened(file: Path) -> sqlite3.Connection:
    # Not made where it is not there: an empty file would look like a database.
    return sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=0)


def _data_version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA data_version").fetchone()[0]
