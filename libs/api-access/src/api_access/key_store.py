import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy import RowMapping, case, insert, or_, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api_access.api_key import ApiKey, Scope
from api_access.errors import NotMigrated, StoreUnavailable, UnknownKey
from api_access.keys import hash_secret, new_token, parse
from api_access.rate_limits import RateLimit
from api_access.tables import api_keys, metadata

_TIMEOUT_SECONDS = 3
_UNDEFINED_TABLE = "42P01"


class KeyStore:
    """The API keys in PostgreSQL, or in SQLite on an engine of `create_engine`.

    Every method may raise `StoreUnavailable`. A database that hangs is given up after three seconds, and two
    more to close the connection.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        # SQLite has no schemas, and PostgreSQL is not to be asked for another.
        names = {metadata.schema: None} if engine.dialect.name == "sqlite" else {}
        self._engine = engine.execution_options(schema_translate_map=names) if names else engine

    async def create(
        self,
        name: str,
        scopes: Collection[str] = (Scope.READ,),
        limits: Mapping[str, RateLimit] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, ApiKey]:
        """A new key and its token, which is shown here once and kept nowhere.

        `name` has 1 to 100 printable characters, `scopes` are some of read, write and admin, `limits` go by
        limit class. Raises `ValueError` for others, and for an expiry that is past.
        """
        _check(name, scopes, expires_at)
        stored_limits = {limit_class: str(limit) for limit_class, limit in (limits or {}).items()}
        settings = {
            "name": name,
            "scopes": sorted(set(scopes)),
            "limits": stored_limits,
            "expires_at": expires_at,
            "created_at": datetime.now(UTC),
        }
        token, secret = await _new_secret()
        async with self._transaction() as connection:
            return token, await _insert(connection, secret | settings)

    async def find(self, key_id: str) -> ApiKey | None:
        """The key of that id, good or not."""
        async with self._transaction() as connection:
            found = await connection.execute(select(api_keys).where(api_keys.c.key_id == key_id))
            row = found.mappings().one_or_none()
        return _from_row(row) if row else None

    async def list(self) -> Sequence[ApiKey]:
        """All keys, good or not, the oldest first."""
        async with self._transaction() as connection:
            found = await connection.execute(select(api_keys).order_by("created_at", "key_id"))
            return [_from_row(row) for row in found.mappings()]

    async def revoke(self, key_id: str) -> None:
        """End a key now; again does no harm. Raises `UnknownKey`."""
        # Keeps the time of an earlier revocation, and cuts a grace short.
        revoked, now = api_keys.c.revoked_at, datetime.now(UTC)
        ended = case((revoked < now, revoked), else_=now)
        async with self._transaction() as connection:
            change = update(api_keys).where(api_keys.c.key_id == key_id).values(revoked_at=ended)
            if (await connection.execute(change)).rowcount == 0:
                raise UnknownKey(key_id)

    async def rotate(self, key_id: str, grace: timedelta = timedelta(0)) -> tuple[str, ApiKey]:
        """A new key with the name, scopes, limits and expiry of an old one, which ends when `grace` is over.

        Raises `UnknownKey` where the old one is unknown, revoked, rotated or expired.
        """
        token, secret = await _new_secret()
        expires, now = api_keys.c.expires_at, datetime.now(UTC)
        change = (
            update(api_keys)
            .where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
            .where(or_(expires.is_(None), expires > now))
            .values(revoked_at=now + max(grace, timedelta(0)))
            .returning(api_keys.c.name, api_keys.c.scopes, api_keys.c.limits, expires)
        )
        async with self._transaction() as connection:
            settings = (await connection.execute(change)).mappings().one_or_none()
            if settings is None:
                raise UnknownKey(key_id)
            return token, await _insert(connection, secret | dict(settings) | {"created_at": now})

    async def record_use(self, key_ids: Collection[str]) -> None:
        """Note that these keys are in use now, unless that was noted within the last minute."""
        last_used, now = api_keys.c.last_used_at, datetime.now(UTC)
        async with self._transaction() as connection:
            await connection.execute(
                update(api_keys)
                .where(api_keys.c.key_id.in_(key_ids))
                .where(or_(last_used.is_(None), last_used < now - timedelta(minutes=1)))
                .values(last_used_at=now)
            )

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection]:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._engine.begin() as connection:
                yield connection
        # Refused logins come from asyncpg itself: SQLAlchemy translates nothing before there is a connection.
        except (SQLAlchemyError, PostgresError, InterfaceError, OSError) as error:
            raise _unavailable(error) from error


def _check(name: str, scopes: Collection[str], expires_at: datetime | None) -> None:
    if not 1 <= len(name) <= 100 or not name.isprintable() or name != name.strip():  # noqa: PLR2004  # documented
        raise ValueError("a key's name has 1 to 100 printable characters, and no space at either end")
    if not scopes or not set(scopes) <= set(Scope):
        raise ValueError(f"a key's scopes are some of {', '.join(Scope)}")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise ValueError("a key's expiry lies ahead")


async def _new_secret() -> tuple[str, dict[str, Any]]:
    key_id, token = new_token()
    _, secret = parse(token)
    return token, {"key_id": key_id, "secret_hash": await asyncio.to_thread(hash_secret, secret)}


async def _insert(connection: AsyncConnection, values: dict[str, Any]) -> ApiKey:
    inserted = await connection.execute(insert(api_keys).values(values).returning(api_keys))
    return _from_row(inserted.mappings().one())


def _from_row(row: RowMapping) -> ApiKey:
    limits = {limit_class: RateLimit.parse(text) for limit_class, text in row["limits"].items()}
    fields: dict[str, Any] = {**row, "scopes": frozenset(row["scopes"]), "limits": limits}
    return ApiKey(**fields)


def _unavailable(error: Exception) -> StoreUnavailable:
    if isinstance(error, DBAPIError) and _is_undefined_table(error.orig):
        return NotMigrated("the database has no table of API keys yet: run `migrate` first")
    # Not the driver's own text, which repeats the parameters, a hash among them.
    return StoreUnavailable(f"the database of API keys does not answer as it should: {_name(error)}")


def _is_undefined_table(error: BaseException | None) -> bool:
    return getattr(error, "sqlstate", None) == _UNDEFINED_TABLE or str(error).startswith("no such table")


def _name(error: Exception) -> str:
    return type((isinstance(error, DBAPIError) and error.orig and error.orig.__cause__) or error).__name__
