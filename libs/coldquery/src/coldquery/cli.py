import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from api_access import api_keys_app
from service_settings import read_settings

# All else is imported by the commands that need it, as `--help` is to be quick.
if TYPE_CHECKING:
    from coldquery.grants import Grants
    from coldquery.settings import Settings

main = typer.Typer(
    help="PostgreSQL for agents: an MCP server that reads, unless a call says that it writes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"coldquery {version('coldquery')}")
        raise typer.Exit


@main.callback()
def coldquery(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def _settings(**given: object) -> "Settings":
    from coldquery.settings import Settings

    return read_settings(Settings, **given)


def _refuse(error: object, code: int = 1) -> NoReturn:
    text = " ".join(str(error).split())
    typer.echo(f"Error: {text}", err=True)
    raise typer.Exit(code) from None


@main.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of COLDQUERY_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of COLDQUERY_PORT.")
    ] = None,
    stdio: Annotated[
        bool,
        typer.Option("--stdio", help="Speak MCP on standard input and output instead; no key is needed."),
    ] = False,
) -> None:
    """Answer agents over HTTP, at /mcp, until SIGTERM or Ctrl-C.

    It works on the database of DATABASE_URL, or DB_HOST with DB_PORT, DB_USER, DB_PASSWORD and DB_DATABASE;
    without them it starts PostgreSQL on COLDQUERY_DATA_DIR. `coldquery grants` makes a role for it to work as.
    Keys for agents: `coldquery api-keys create --name agent --scope read`.
    """
    settings = _settings(coldquery_host=host, coldquery_port=port)
    from coldquery.keys import MigrationFailed, migrate_keys
    from coldquery.serving import CannotListen, serve_http, serve_stdio
    from embedded_services import EmbeddedServiceError

    try:
        if stdio:
            serve_stdio(settings)
            return
        if settings.access_database_url is None:
            migrate_keys(settings)
        serve_http(settings)
    except (CannotListen, MigrationFailed, EmbeddedServiceError, OSError) as error:
        _refuse(error)


_Role = Annotated[str, typer.Option(help="Name of the role; it is made if it is not there.")]
_Read = Annotated[
    list[str] | None,
    typer.Option(metavar="SCHEMA", help="It may read this schema; may be repeated.", show_default="public"),
]
_Write = Annotated[
    list[str] | None,
    typer.Option(metavar="SCHEMA", help="It may also write in this schema, and create; may be repeated."),
]


@main.command()
def grants(
    role: _Role = "coldquery",
    read: _Read = None,
    write: _Write = None,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply",
            help="Run it on the database of DATABASE_URL instead, as a user who may grant all this; "
            "the role gets the password of COLDQUERY_ROLE_PASSWORD.",
        ),
    ] = False,
) -> None:
    """Print the SQL for a role that may only read, for ColdQuery to work as.

    It may be run again, and takes nothing away. Tables that come later are covered too, if the user who runs it
    makes them.

    Then: coldquery serve with DATABASE_URL=postgresql://coldquery:password@host/database
    """
    from coldquery.errors import Refused
    from coldquery.grants import Grants

    wanted = Grants(role, read=read or ([] if write else ["public"]), write=write or [])
    try:
        sql = wanted.sql()
    except Refused as error:
        _refuse(error, 2)
    if apply:
        _apply(wanted)
    else:
        typer.echo(sql, nl=False)


def _apply(wanted: "Grants") -> None:
    from asyncpg.exceptions import InterfaceError, PostgresError

    from coldquery.database import connect_arguments

    settings = _settings()
    if (url := settings.database()) is None:
        _refuse("there is no database to run it on; set DATABASE_URL, of a user who may grant", 2)
    password = settings.coldquery_role_password
    try:
        asyncio.run(wanted.apply(connect_arguments(url), password.get_secret_value() if password else None))
    except (PostgresError, InterfaceError) as error:
        _refuse(error)
    except OSError as error:
        _refuse(f"the database cannot be reached; see DATABASE_URL or DB_HOST. {error}")
    lacks = (
        "" if password else " Its password was left as it is; a new role has none: COLDQUERY_ROLE_PASSWORD."
    )
    typer.echo(f"The role {wanted.role} is ready.{lacks}", err=True)


@main.command()
def migrate() -> None:
    """Bring the database of the API keys up to date. Safe to run twice, and from many replicas at once."""
    from coldquery.keys import MigrationFailed, migrate_keys

    try:
        migrate_keys(_settings())
    except MigrationFailed as error:
        _refuse(error)
    typer.echo("The database of the API keys is up to date.", err=True)


@contextmanager
def _keys_database_url(data_dir: Path) -> Generator[str]:
    from coldquery.keys import MigrationFailed, found_keys_url
    from embedded_services import EmbeddedServiceError

    try:
        with found_keys_url(_settings(), data_dir) as url:
            yield url
    except (MigrationFailed, EmbeddedServiceError) as error:
        _refuse(error)


main.add_typer(api_keys_app(_keys_database_url, {"query": "--query-limit"}))
