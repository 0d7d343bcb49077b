import asyncio
from typing import Any, Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.domain.errors import GraphBusy, GraphUnavailable
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.sync_metrics import schedule_leader

AGAIN_SECONDS = 2.0
ANSWER_SECONDS = 5.0
STOP_SECONDS = 2.0

_STAND = text("SELECT pg_try_advisory_lock(1818583396, 0)")
_ARE_YOU_THERE = text("SELECT 1")
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Office(Protocol):
    """What only the leader does; both are over at once."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Leadership:
    """Stands for election, among all processes of all replicas, and runs `office` while it is the leader.

    The leader is who holds an advisory lock, on a connection of its own. When that is lost the office stops
    at once. `start` needs an event loop; `stop` gives up the lock within two seconds.
    """

    def __init__(self, database: Database, office: Office) -> None:
        self._database = database
        self._office = office
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._stand())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=STOP_SECONDS)

    async def _stand(self) -> None:
        while True:
            try:
                async with self._database.alone() as connection:
                    # Else each question would leave a transaction open.
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await self._until_elected(connection)
                    await self._lead(connection)
            except (GraphUnavailable, GraphBusy, TimeoutError) as error:
                _log.debug("election_waits", error=str(error))
            except Exception:  # noqa: BLE001  # where a round of the loop ends
                _log.exception("election_broke")
            await asyncio.sleep(AGAIN_SECONDS)

    async def _until_elected(self, connection: AsyncConnection) -> None:
        while True:
            async with asyncio.timeout(ANSWER_SECONDS):
                if await connection.scalar(_STAND):
                    return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _lead(self, connection: AsyncConnection) -> None:
        lost = await _loss_of(connection)
        self._office.start()
        schedule_leader.set(1)
        _log.info("schedule_leader_elected")
        try:
            while not lost.is_set():
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.execute(_ARE_YOU_THERE)
                await _either(lost, AGAIN_SECONDS)
        finally:
            self._office.stop()
            schedule_leader.set(0)
            _log.info("schedule_leader_stepped_down")


async def _loss_of(connection: AsyncConnection) -> asyncio.Event:
    """An event that is set in the moment in which `connection` is found dead."""
    lost = asyncio.Event()

    def told(_connection: object) -> None:
        lost.set()

    driver: Any = (await connection.get_raw_connection()).driver_connection
    driver.add_termination_listener(told)
    return lost


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
