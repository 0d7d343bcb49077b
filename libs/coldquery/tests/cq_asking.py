"""Somebody who asks the actions something, and what the audit log was told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import asyncpg

from coldquery.actions.context import Context
from coldquery.caller import Caller
from coldquery.connections.owner import Connections
from coldquery.limits import Limits
from coldquery.statements.statement import Statement

WRITER = Caller("writer", may_write=True)
READER = Caller("reader", may_write=False)


@dataclass
class RecordedAudit:
    """The audit log as lists: (key id, session id, statement, rows or reason)."""

    written: list[tuple[str, str | None, str, int | None]] = field(default_factory=list)
    failures: list[tuple[str, str | None, str, str]] = field(default_factory=list)

    def wrote(
        self, caller: Caller, session_id: str | None, statement: Statement | str, rows: int | None
    ) -> None:
        self.written.append((caller.key_id, session_id, _text(statement), rows))

    def failed(self, caller: Caller, session_id: str | None, statement: Statement | str, reason: str) -> None:
        self.failures.append((caller.key_id, session_id, _text(statement), reason))


def _text(statement: Statement | str) -> str:
    return statement if isinstance(statement, str) else statement.sql


@asynccontextmanager
async def asking(url: str, limits: Limits | None = None) -> AsyncGenerator[Context]:
    """What the actions have at hand when WRITER asks, on the database at `url`."""
    limits = limits or Limits(wait_seconds=20)
    connections = Connections({"dsn": url}, limits)
    await connections.start()
    try:
        yield Context(WRITER, connections, limits, RecordedAudit())
    finally:
        await connections.stop()


def as_reader(context: Context) -> Context:
    """The same, when READER asks."""
    return replace(context, caller=READER)


def audit_of(context: Context) -> RecordedAudit:
    assert isinstance(context.audit, RecordedAudit)
    return context.audit


async def until_somebody_waits(admin: asyncpg.Connection) -> None:
    """Return when a statement waits for a lock in the database of `admin`; at most 30 s."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while not await admin.fetchval(waiting):
            # What a transaction once saw of the activity it would see for ever.
            await admin.execute("select pg_stat_clear_snapshot()")
