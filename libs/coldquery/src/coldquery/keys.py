"""Where the API keys are."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from api_access import ACCESS_MIGRATIONS
from coldquery.settings import Settings
from embedded_services import local_database

KEYS_FILE = "coldquery_keys.db"


def keys_file(settings: Settings) -> Path:
    """The file of SQLite that the API keys are in where ACCESS_DATABASE_URL names no database."""
    return settings.coldquery_data_dir.absolute() / KEYS_FILE


def keys_url(settings: Settings) -> str:
    """The database of the API keys: ACCESS_DATABASE_URL, or else that of `keys_file`."""
    if settings.access_database_url:
        return settings.access_database_url.get_secret_value()
    return URL.create("sqlite+aiosqlite", database=str(keys_file(settings))).render_as_string()


class MigrationFailed(Exception):
    """The database of the API keys could not be brought up to date; the text says why."""


def migrate_keys(settings: Settings) -> None:
    """Bring the database of the API keys up to date, a file made if need be. Blocks; raises MigrationFailed."""
    try:
        if settings.access_database_url is None:
            _make_file(keys_file(settings))
        ACCESS_MIGRATIONS.upgrade(keys_url(settings))
    except (SQLAlchemyError, PostgresError, InterfaceError, OSError) as error:
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        raise MigrationFailed(
            "the database of the API keys could not be brought up to date; see ACCESS_DATABASE_URL or "
            f"COLDQUERY_DATA_DIR. {reason}"
        ) from error


@contextmanager
def found_keys_url(settings: Settings, fleet: Path) -> Generator[str]:
    """The database of the API keys for a command, brought up to date if it is a file; raises MigrationFailed.

    Where nothing names or has one, but a `fleet up` runs in the folder `fleet`, it is that one's.
    """
    if settings.access_database_url:
        yield keys_url(settings)
    elif not keys_file(settings).exists() and (fleet / "database-url").is_file():
        with local_database(fleet) as url:
            yield url
    else:
        migrate_keys(settings)
        yield keys_url(settings)


def _make_file(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # SQLite would let everybody read it.
    file.touch(mode=0o600)
