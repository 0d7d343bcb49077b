"""One connection that waits for a lock of another."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

UPDATE = "update customer set name = 'mine' where id = 1"
WAITING = "select cardinality(pg_blocking_pids($1)) > 0"


@dataclass(frozen=True)
class Blocking:
    holder: int
    waiter: int


@asynccontextmanager
async def blocking(url: str, admin: asyncpg.Connection) -> AsyncGenerator[Blocking]:
    """`holder` holds a row for which `waiter` waits."""
    holder, waiter = await asyncpg.connect(url), await asyncpg.connect(url)
    task: asyncio.Task[str] | None = None
    try:
        await holder.execute(f"begin; {UPDATE}")
        task = asyncio.create_task(waiter.execute(UPDATE))
        async with asyncio.timeout(60):
            while not await admin.fetchval(WAITING, waiter.get_server_pid()):
                await asyncio.sleep(0)
        yield Blocking(holder.get_server_pid(), waiter.get_server_pid())
        await holder.execute("rollback")
        async with asyncio.timeout(60):
            await task
    finally:
        holder.terminate()
        waiter.terminate()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
