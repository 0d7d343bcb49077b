import asyncio
import signal
import sys
from typing import Annotated, NoReturn

import typer

from api_access import api_keys_app
from ci_server.finding import keys_database_url
from ci_server.settings import Settings
from ci_server.storage.database import Database
from ci_server.storage.migrating import MigrationFailed
from ci_server.storage.migrating import migrate as migrate_database
from ci_server.users import users_app
from observability import configure_logging
from service_settings import read_settings

main = typer.Typer(
    help="The CI server of Fleet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _leave(_signal: int, _frame: object) -> None:
    sys.exit(0)


def _refuse(error: object) -> NoReturn:
    typer.echo(f"Error: {error}", err=True)
    raise typer.Exit(1) from None


def _prepared_settings(**given: object) -> Settings:
    """The settings, once what they name is there to work with: a file of SQLite is migrated."""
    settings = read_settings(Settings, **given)
    configure_logging(settings.log_level)
    if settings.ci_database_url is None:
        _migrate(settings)
    return settings


def _migrate(settings: Settings) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    from api_access import migrate as migrate_access

    try:
        migrate_database(Database.of(settings.ci_database_url, settings.ci_db_path).url)
    except MigrationFailed as error:
        _refuse(error)
    try:
        if settings.access_database_url:
            migrate_access(settings.access_database_url)
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        _refuse(
            f"the database of the API keys could not be brought up to date; see ACCESS_DATABASE_URL. {reason}"
        )


@main.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of CI_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of CI_PORT.")
    ] = None,
) -> None:
    """Take jobs and answer requests until SIGTERM or Ctrl-C, and run the jobs unless CI_CONTROLLER is false.

    Without CI_DATABASE_URL, the database is the file CI_DB_PATH, and migrated first. Jobs that run when it
    stops go on, and are followed again when it starts again.
    """
    from ci_server.app import create_app
    from ci_server.serving import CannotListen, Server, allow_many_streams, listen

    # uvicorn ends by sending itself the signal that stopped it, which is not to be the exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    settings = _prepared_settings(ci_host=host, ci_port=port)
    try:
        listener = listen(settings.ci_host, settings.ci_port)
    except CannotListen as error:
        _refuse(error)
    allow_many_streams()
    stopping = asyncio.Event()
    Server(create_app(settings, stopping), settings, stopping).run([listener])


@main.command()
def controller() -> None:
    """Run jobs until SIGTERM or Ctrl-C, and answer no requests; any number may run beside servers.

    They share CI_DATABASE_URL and CI_DATA_DIR. Jobs that run when it stops go on.
    """
    from ci_server.controlling import control

    settings = _prepared_settings(ci_controller=True)
    try:
        asyncio.run(control(settings))
    except OSError as error:
        _refuse(error)


@main.command()
def migrate() -> None:
    """Bring the database up to date. Safe to run twice, and from many replicas at once."""
    _migrate(read_settings(Settings))
    typer.echo("The database is up to date.", err=True)


@main.command()
def webhook_secret() -> None:
    """Print what webhooks are signed with: CI_WEBHOOK_SECRET, or what was made in CI_DATA_DIR."""
    from ci_server.background import webhook_secret as secret_of

    try:
        typer.echo(secret_of(read_settings(Settings)))
    except OSError as error:
        _refuse(error)


main.add_typer(users_app)
main.add_typer(api_keys_app(keys_database_url, {"submit": "--submit-limit", "read": "--read-limit"}))
