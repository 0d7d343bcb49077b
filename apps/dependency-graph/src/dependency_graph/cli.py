import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from api_access import api_keys_app
from dependency_graph.infrastructure.migrating import MigrationFailed
from dependency_graph.infrastructure.migrating import migrate as migrate_database
from dependency_graph.settings import Settings
from embedded_services import EmbeddedServiceError, local_database
from observability import configure_logging, share_metrics_between_processes
from service_settings import read_settings

main = typer.Typer(
    help="The dependency graph service of Fleet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DataDir = Annotated[
    Path,
    typer.Option(
        help="With no DATABASE_URL: where `fleet up` runs, or else a database is started for the time."
    ),
]
FLEET = Path(".fleet")


@contextmanager
def _database_url(data_dir: Path) -> Generator[str]:
    given = read_settings(Settings).database_url
    try:
        with nullcontext(given) if given else local_database(data_dir) as url:
            yield url
    except (EmbeddedServiceError, MigrationFailed) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None


def _leave(_signal: int, _frame: object) -> None:
    sys.exit(0)


@main.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of API_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of API_PORT.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes, instead of API_WORKERS.")] = None,
    data_dir: DataDir = FLEET,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C. A database of its own is migrated first."""
    import uvicorn

    # uvicorn ends by sending itself the signal that stopped it, which is not to be the exit code.
    signal.signal(signal.SIGTERM, _leave)
    settings = read_settings(Settings)
    workers = workers or settings.api_workers
    configure_logging(settings.log_level)
    with _database_url(data_dir) as url, share_metrics_between_processes() if workers > 1 else nullcontext():
        if settings.database_url is None:
            migrate_database(url)
        # Worker processes read their settings from the environment.
        os.environ["DATABASE_URL"] = url
        uvicorn.run(
            "dependency_graph.app:create_app",
            factory=True,
            host=host or settings.api_host,
            port=settings.api_port if port is None else port,
            workers=workers,
            log_config=None,
            access_log=False,
            server_header=False,
            # What anybody may write into a header is no address to count failed attempts by.
            proxy_headers=settings.forwarded_allow_ips is not None,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            timeout_graceful_shutdown=6,
            # Four that import at once, on part of a core, may answer nothing for longer than 5 s, after which each
            # would be killed and started again, for ever.
            timeout_worker_healthcheck=30,
        )


@main.command()
def migrate(data_dir: DataDir = FLEET) -> None:
    """Bring the database up to date. Safe to run twice, and from many replicas at once."""
    with _database_url(data_dir) as url:
        migrate_database(url)
    typer.echo("The database is up to date.", err=True)


@contextmanager
def _existing_database_url(data_dir: Path) -> Generator[str]:
    if read_settings(Settings).database_url is None and not data_dir.exists():
        typer.echo(
            f"Error: there is nothing in {data_dir}. Run `serve` or `fleet up` first, or name its folder with --data-dir.",
            err=True,
        )
        raise typer.Exit(1)
    with _database_url(data_dir) as url:
        yield url


main.add_typer(api_keys_app(_existing_database_url))
