import asyncio
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, column, func, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateSchema

from api_access.engines import create_engine


class Migrations:
    """The Alembic migrations of one schema, with their version table in that schema.

    In a file of SQLite, which has no schemas, that is the table `<schema>_alembic_version`.

    `script_location` holds `env.py` and `versions/`, and travels inside a package. `lock` is the number of the
    PostgreSQL advisory lock under which they run, one for each schema, so that any number of replicas may
    upgrade at once. A run is one transaction: it is done whole or not at all.
    """

    def __init__(self, script_location: Path, schema: str, lock: int) -> None:
        self._script_location = script_location
        self._schema = schema
        self._lock = lock

    def upgrade(self, url: str, revision: str = "head") -> None:
        """Bring the database at `url` up to `revision`. Blocks; where a loop runs, call it in a thread.

        One that is ahead of this code is left as it is, so that the release before can be put back.
        """
        asyncio.run(self._run(url, command.upgrade, revision))

    def downgrade(self, url: str, revision: str) -> None:
        """Take the database at `url` back to `revision`, or to nothing with `base`. Blocks as `upgrade`."""
        asyncio.run(self._run(url, command.downgrade, revision))

    async def pending(self, connection: AsyncConnection) -> bool:
        """Whether `upgrade` has work to do.

        False for a database ahead of this code: in a rolling deployment the old replicas stay ready.
        """
        current = await connection.run_sync(self._current)
        return current is None or current in self._outdated

    @cached_property
    def _scripts(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self._config(None))

    @cached_property
    def _known(self) -> set[str]:
        return {script.revision for script in self._scripts.walk_revisions()}

    @cached_property
    def _outdated(self) -> set[str]:
        return self._known - set(self._scripts.get_heads())

    def _is_ahead(self, connection: Connection) -> bool:
        return self._current(connection) not in {None, *self._known}

    def _current(self, connection: Connection) -> str | None:
        # Alembic's own way to ask writes two lines to the log, each time that somebody asks whether we are ready.
        options = self._version_table(connection)
        name, schema = options.get("version_table", "alembic_version"), options.get("version_table_schema")
        if not inspect(connection).has_table(name, schema):
            return None
        return connection.scalar(select(table(name, column("version_num"), schema=schema).c.version_num))

    async def _run(self, url: str, action: Callable[[Config, str], None], revision: str) -> None:
        engine = create_engine(url, poolclass=NullPool)
        # The writer's lock of SQLite is taken here; PostgreSQL has one of its own for this.
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await self._prepare(connection)
            else:
                await connection.execution_options(schema_translate_map={self._schema: None})
            if action is command.downgrade or not await connection.run_sync(self._is_ahead):
                await connection.run_sync(lambda sync: action(self._config(sync), revision))

    async def _prepare(self, connection: AsyncConnection) -> None:
        await connection.execute(select(func.pg_advisory_xact_lock(self._lock)))
        # CREATE SCHEMA IF NOT EXISTS wants the right to create even where the schema is there already.
        if await connection.scalar(select(func.to_regnamespace(self._schema))) is None:
            await connection.execute(CreateSchema(self._schema))

    def _config(self, connection: Connection | None) -> Config:
        versions = self._version_table(connection) if connection else {}
        config = Config(attributes={"connection": connection, "version_table": versions})
        config.set_main_option("script_location", str(self._script_location).replace("%", "%%"))
        return config

    def _version_table(self, connection: Connection) -> dict[str, str]:
        if connection.dialect.name == "postgresql":
            return {"version_table_schema": self._schema}
        return {"version_table": f"{self._schema}_alembic_version"}


ACCESS_MIGRATIONS = Migrations(Path(__file__).parent / "migrations", schema="access", lock=0x666C_6565_7401)


def migrate(url: str) -> None:
    """Bring the schema `access` of the database at `url` up to date; safe from many replicas at once."""
    ACCESS_MIGRATIONS.upgrade(url)


def downgrade(url: str, revision: str) -> None:
    """Take the schema `access` back to `revision`; `base` drops every key."""
    ACCESS_MIGRATIONS.downgrade(url, revision)
