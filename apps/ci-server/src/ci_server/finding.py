"""Which database the commands for operators work on."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import typer

from ci_server.settings import Settings
from ci_server.storage.database import Database
from embedded_services import EmbeddedServiceError, local_database
from service_settings import read_settings

FLEET = Path(".fleet")
"""Where `fleet up` runs unless told otherwise."""


@contextmanager
def jobs_database_url(data_dir: Path) -> Generator[str]:
    """The database of the jobs: CI_DATABASE_URL, or the file CI_DB_PATH if it is there, or that of `fleet up`.

    Where there is none, says so and exits with 1.
    """
    with _found(read_settings(Settings), lambda settings: settings.ci_database_url, data_dir) as url:
        yield url


@contextmanager
def keys_database_url(data_dir: Path) -> Generator[str]:
    """The database of the API keys: ACCESS_DATABASE_URL, or else that of the jobs."""
    settings = read_settings(Settings)
    with _found(settings, lambda given: given.access_database_url or given.ci_database_url, data_dir) as url:
        yield url


@contextmanager
def _found(settings: Settings, given: Callable[[Settings], str | None], data_dir: Path) -> Generator[str]:
    if url := given(settings):
        yield url
    elif settings.ci_db_path.exists():
        yield Database.of(None, settings.ci_db_path).url
    elif data_dir.exists():
        try:
            with local_database(data_dir) as url:
                yield url
        except EmbeddedServiceError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None
    else:
        typer.echo(
            f"Error: there is neither a database {settings.ci_db_path} (CI_DB_PATH) nor a `fleet up` in {data_dir}. "
            "Run `serve` first, set CI_DATABASE_URL, or name the folder of `fleet up` with --data-dir.",
            err=True,
        )
        raise typer.Exit(1)
