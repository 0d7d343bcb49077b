from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coldquery.actions.admin.answers import SettingChange
from coldquery.actions.advice import advised
from coldquery.actions.audited import failures_audited
from coldquery.actions.catalogue import Catalogue
from coldquery.actions.changing import Where, writing
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.savepoint import all_or_none
from coldquery.connections.owner import Work
from coldquery.errors import Refused
from coldquery.statements.identifiers import quoted
from coldquery.statements.parsing import parse
from coldquery.statements.statement import Statement

MASK = "***"


@dataclass(frozen=True, slots=True)
class _Change:
    name: str
    value: str

    @property
    def quoted(self) -> str:
        return quoted(*self.name.split("."))

    def statement(self, *, secret: bool) -> Statement:
        """What the audit log has of it."""
        value = MASK if secret else self.value.replace("'", "''")
        return parse(f"SET {self.quoted} = '{value}'")


async def set_setting(
    context: Context, name: str, value: str, session_id: str | None, *, autocommit: bool
) -> SettingChange:
    """For the rest of the session's transaction, or with `autocommit` for new connections of this role.

    Raises StatementFailed for what cannot be set, and as `Connections.writing` does.
    """
    if "\0" in value:
        raise Refused("The value has a NUL character, which PostgreSQL does not take.")
    change = _Change(name, value)
    shown = change.statement(secret=_is_secret(name))
    with failures_audited(context, session_id, [shown]), advised(session_id):
        async with writing(context, Where(session_id, autocommit)) as work, all_or_none(work.connection):
            told = await _set(work, change, keep=session_id is None)
    context.audit.wrote(context.caller, session_id, shown, None)
    if session_id is None:
        # What is connected by now does not know of it.
        await context.connections.renew()
    return hinted(_answer(change, told, in_session=session_id is not None), work.hint)


async def _set(work: Work, change: _Change, *, keep: bool) -> Mapping[str, Any]:
    """`keep`: for the role in this database, as it is then checked and written."""
    # Not while the search path is pinned: it may be what is set.
    catalogue = Catalogue(work.connection, ())
    before = await catalogue.row("setting_now", change.name)
    await catalogue.row("set_locally", change.name, change.value)
    after = await catalogue.row("setting_now", change.name)
    if keep:
        await work.connection.execute(
            f"ALTER ROLE CURRENT_USER IN DATABASE {quoted(before['database'])} "
            f"SET {change.quoted} FROM CURRENT"
        )
    return {"before": before["value"], "value": after["value"], "database": before["database"]}


def _answer(change: _Change, told: Mapping[str, Any], *, in_session: bool) -> SettingChange:
    if in_session:
        holds = "until this session's transaction ends, or is rolled back to a savepoint before"
        undo = "pg_tx rollback; or set it to the value before"
    else:
        database = quoted(told["database"])
        holds = (
            "for new connections of this server's role to this database: here from the next call on; sessions "
            "that are open keep what they have, and so does what this server sets itself, such as statement_timeout"
        )
        undo = f"pg_query write: ALTER ROLE CURRENT_USER IN DATABASE {database} RESET {change.quoted}"
    return SettingChange(name=change.name, before=told["before"], value=told["value"], holds=holds, undo=undo)


def _is_secret(name: str) -> bool:
    endings = ("conninfo", "password", "passphrase_command", "secret", "token", "api_key")
    return name.lower().endswith(endings)
