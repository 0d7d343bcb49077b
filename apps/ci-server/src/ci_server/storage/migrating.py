from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from api_access import ACCESS_MIGRATIONS, Migrations, database_url
from ci_server.domain.errors import StorageUnavailable
from ci_server.storage.database import Database

JOB_MIGRATIONS = Migrations(Path(__file__).parent / "migrations", schema="ci", lock=0x6369_6A6F_6273)

_ALL = {"ci": JOB_MIGRATIONS, "access": ACCESS_MIGRATIONS}


class MigrationFailed(Exception):
    """The database could not be brought up to date."""

    def __init__(self, error: Exception) -> None:
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        super().__init__(
            "the database of the jobs could not be brought up to date; see CI_DATABASE_URL or CI_DB_PATH. "
            f"{reason}"
        )


def migrate(url: str) -> None:
    """Bring the tables of the jobs and of the API keys up to date, at `Database.url`. Blocks.

    The file of SQLite, and its folder, are made where they are not there. Raises MigrationFailed where the
    database cannot be reached, or does not let it be done.
    """
    try:
        _make_file(url)
        for migrations in _ALL.values():
            migrations.upgrade(url)
    except (OSError, SQLAlchemyError, ValueError) as error:
        raise MigrationFailed(error) from error


async def what_is_missing(database: Database) -> list[str]:
    """What keeps the server from working, one sentence each; nothing if it is ready."""
    try:
        async with database.read() as connection:
            pending = [schema for schema, migrations in _ALL.items() if await migrations.pending(connection)]
    except StorageUnavailable as error:
        return [str(error)]
    return [f"The schema {schema!r} is not up to date: run `ci-server migrate`." for schema in pending]


def _make_file(url: str) -> None:
    parsed = database_url(url)
    if parsed.drivername.startswith("sqlite") and parsed.database:
        file = Path(parsed.database)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Keys and the environment of jobs are in it, and SQLite would let everybody read them.
        file.touch(mode=0o600)
