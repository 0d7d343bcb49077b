import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.services import GRAPH, SERVICES

if TYPE_CHECKING:
    from fleet.settings import Settings

ALL = ",".join(SERVICES)

main = typer.Typer(
    help="Fleet on one machine: what every workspace is doing, what every service depends on, "
    "and what breaks when it fails.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fleet {version('fleet')}")
        raise typer.Exit


@main.callback()
def fleet(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def _known_names(text: str) -> str:
    for name in text.split(","):
        if name not in SERVICES:
            raise typer.BadParameter(f"there is no service {name!r}; choose from {ALL}")
    return text


def _settings() -> "Settings":
    from fleet.settings import Settings
    from service_settings import read_settings

    return read_settings(Settings)


def _with_port_options(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with an option for the port of each service, instead of its `**ports`."""
    fixed = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    ports = [
        inspect.Parameter(
            f"{service.name}_port",
            inspect.Parameter.KEYWORD_ONLY,
            default=service.port,
            annotation=Annotated[
                int,
                typer.Option(
                    min=0, max=65535, help=f"Port of the {service.title} service; 0 for any free one."
                ),
            ],
        )
        for service in SERVICES.values()
    ]
    # Typer reads options off a signature.
    command.__signature__ = inspect.Signature([*fixed, *ports])  # pyright: ignore[reportFunctionMemberAccess]  # as documented for inspect
    return command


@main.command()
@_with_port_options
def up(
    sample: Annotated[
        bool, typer.Option("--sample", help="Load a demo shop and show what its checkout depends on.")
    ] = False,
    data_dir: Annotated[
        Path, typer.Option(help="Where the data, the logs, the API key and the addresses are kept.")
    ] = Path(".fleet"),
    only: Annotated[
        str, typer.Option(callback=_known_names, metavar="NAME,...", help="Start only these services.")
    ] = ALL,
    **ports: int,
) -> None:
    """Start everything on this machine, and keep it running until Ctrl-C.

    PostgreSQL and Valkey are started too, unless DATABASE_URL and REDIS_URL name others.

    The metadata service tells of the folder that this is started in, unless METADATA_FOLDER names another.

    What is stored outlives every stop.
    """
    from embedded_services import EmbeddedServiceError
    from fleet.errors import FleetError
    from fleet.screen import Screen
    from fleet.up import Plan
    from fleet.up import up as bring_up

    names = only.split(",")
    if sample and GRAPH.name not in names:
        raise typer.BadParameter(
            f"the demo shop is loaded into the {GRAPH.name} service, which --only leaves out",
            param_hint="--sample",
        )
    settings = _settings()
    wanted = {service: ports[f"{name}_port"] for name, service in SERVICES.items() if name in names}
    try:
        bring_up(Plan(data_dir, wanted, sample), settings, Screen())
    except (FleetError, EmbeddedServiceError, OSError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
