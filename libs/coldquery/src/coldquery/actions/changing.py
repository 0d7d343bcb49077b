from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Self

import asyncpg

from coldquery.actions.advice import advised
from coldquery.actions.audited import failures_audited
from coldquery.actions.context import Context
from coldquery.actions.savepoint import all_or_none
from coldquery.actions.writable import must_run_alone, needs_way, sets_new_connections
from coldquery.connections.owner import Work
from coldquery.connections.timeout import Timeout
from coldquery.statements.statement import Statement

MAX_MESSAGES = 200
"""Of one command that are shown; a VACUUM VERBOSE of a whole database has more."""

Words = Callable[[str, str], bool]
"""Whether an SQLSTATE and its message say that there is nothing to do."""


def never(_sqlstate: str, _message: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Where:
    """In whose transaction a change is made."""

    session_id: str | None
    autocommit: bool
    bare: bool = False
    """Outside a transaction block, as PostgreSQL takes it only there."""

    @classmethod
    def of(
        cls, statement: Statement, session_id: str | None, *, autocommit: bool, alone: bool = False
    ) -> Self:
        """For `statement`; `alone`: its object is one for which it has to be."""
        return cls(session_id, autocommit, bare=alone or must_run_alone(statement))


@dataclass(slots=True)
class Said:
    """What PostgreSQL says beside its answer to a command."""

    needless: Words
    messages: list[str] = field(default_factory=list[str])
    skipped: bool = False

    def listen(self, _connection: Any, message: asyncpg.PostgresLogMessage) -> None:
        said = message.as_dict()
        self.skipped |= self.needless(said["sqlstate"], said["message"])
        if len(self.messages) < MAX_MESSAGES:
            self.messages.append(_text(said))
        elif len(self.messages) == MAX_MESSAGES:
            self.messages.append("There were more messages, which are not shown.")


@dataclass(frozen=True, slots=True)
class Done:
    """A command that was run; `command` is its tag, None where it was skipped with an error."""

    command: str | None
    skipped: bool
    messages: list[str]
    hint: str | None


async def changed(
    context: Context, change: Statement, where: Where, *, needless: Words = never, forgive: bool = False
) -> Done:
    """Run `change`, and tell the audit log of it, done or failed. What fails leaves a session's transaction as it was.

    It was skipped where PostgreSQL says what `needless` knows; as an error only with `forgive`.
    Raises as `Connections.writing` does, and StatementFailed.
    """
    with failures_audited(context, where.session_id, [change]), advised(where.session_id):
        async with writing(context, where, way=needs_way(change)) as work:
            command, said = await executed(work.connection, change.sql, needless, forgive=forgive)
    if command is not None:
        context.audit.wrote(context.caller, where.session_id, change, None)
    if sets_new_connections(change):
        await context.connections.renew()
    return Done(command, said.skipped, said.messages, work.hint)


def writing(context: Context, where: Where, *, way: bool = False) -> AbstractAsyncContextManager[Work]:
    """The connection for a change, under the server's own limit of time; `way`: cursors of the caller make it."""
    return context.connections.writing(
        context.caller,
        where.session_id,
        autocommit=where.autocommit,
        timeout=Timeout.asked(None, context.limits),
        bare=where.bare,
        needs_way=way,
    )


async def executed(
    connection: asyncpg.Connection, sql: str, needless: Words = never, *, forgive: bool = False
) -> tuple[str | None, Said]:
    """Run one statement: its tag, and what PostgreSQL said. Raises what asyncpg does."""
    async with _listening(connection, needless) as said:
        try:
            async with all_or_none(connection) if connection.is_in_transaction() else nullcontext():
                # Prepared: only the extended protocol takes no more than one statement.
                prepared = await connection.prepare(sql)
                await prepared.fetch()
        except asyncpg.PostgresError as error:
            failure = error.as_dict()
            if not (forgive and needless(failure["sqlstate"], failure["message"])):
                raise
            said.skipped = True
            said.messages.append(failure["message"])
            return None, said
        return prepared.get_statusmsg(), said


@asynccontextmanager
async def _listening(connection: asyncpg.Connection, needless: Words) -> AsyncGenerator[Said]:
    said = Said(needless)
    connection.add_log_listener(said.listen)
    try:
        yield said
    finally:
        connection.remove_log_listener(said.listen)


def _text(said: Mapping[str, str]) -> str:
    text = " ".join(said[part] for part in ("message", "detail", "hint") if said.get(part))
    return f"warning: {text}" if said["severity_en"] == "WARNING" else text
