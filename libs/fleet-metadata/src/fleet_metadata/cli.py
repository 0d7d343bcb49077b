from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

# All else is imported by the commands that need it: `get` may be run at each prompt of a shell.
if TYPE_CHECKING:
    from fleet_metadata.commands.reading import Reader
    from fleet_metadata.settings import Settings

main = typer.Typer(
    help="What a workspace is doing right now.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fleet-metadata {version('fleet-metadata')}")
        raise typer.Exit


@main.callback()
def fleet_metadata(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def _server(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        usable = usable and not ("@" in parts.netloc or parts.query or parts.fragment)
    if not usable:
        raise typer.BadParameter("not the address of a server, without credentials: http://127.0.0.1:8001")
    return url.rstrip("/")


Folder = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Folder of the workspace, instead of METADATA_FOLDER."),
]
Url = Annotated[
    str | None,
    typer.Option(
        callback=_server, help="Ask the server at this address, with the token of FLEET_METADATA_TOKEN."
    ),
]
Interval = Annotated[float, typer.Option(min=0.1, help="With --watch: seconds between two looks.")]


def _settings(**given: Any) -> "Settings":
    """The settings of the environment, over which those of `given` go that are not None."""
    from fleet_metadata.settings import Settings
    from service_settings import read_settings

    return read_settings(Settings, **given)


def _reader(folder: Path | None, url: str | None) -> "Reader":
    if folder and url:
        raise typer.BadParameter("there is a --folder or a --url to look at, not both")
    settings = _settings(metadata_folder=folder)
    from fleet_metadata.commands.command_log import set_up_log
    from fleet_metadata.commands.reading import reader_of

    set_up_log(settings)
    return reader_of(settings, url)


@main.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of METADATA_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of METADATA_PORT.")
    ] = None,
    folder: Folder = None,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Speak MCP on standard input and output instead.")
    ] = False,
) -> None:
    """Answer requests over HTTP and MCP until SIGTERM or Ctrl-C."""
    settings = _settings(metadata_host=host, metadata_port=port, metadata_folder=folder)
    from fleet_metadata.board_of import UnknownCollector
    from fleet_metadata.commands.running import WRONG, failure
    from fleet_metadata.serving import serve_http, serve_stdio

    try:
        serve_stdio(settings) if stdio else serve_http(settings)
    except UnknownCollector as error:
        raise failure(error, WRONG) from None


@main.command()
def show(
    prefix: Annotated[str | None, typer.Option(help="Only keys that begin with this: git_")] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Only keys that belong into a list of workspaces.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The document of GET /metadata; one line, unless on a terminal.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    interval: Interval = 2.0,
    folder: Folder = None,
    url: Url = None,
) -> None:
    """All keys with their values, and how it stands with each collector.

    Values are cut to the width of a terminal, and whole elsewhere.
    """
    from fleet_metadata.collection.selection import Selection
    from fleet_metadata.commands.running import look_again, run
    from fleet_metadata.commands.screen import Screen

    reader = _reader(folder, url)
    selection, screen = Selection(prefix, None, list_only), Screen()
    shown = screen.show_json if as_json else screen.show

    async def look(reader: "Reader") -> None:
        if watch:
            await look_again(selection, reader, interval, shown, screen.complain)
        else:
            shown(await reader.read(selection))

    with screen.in_place() if watch and not as_json else nullcontext():
        run(look, reader)


@main.command()
def get(
    key: Annotated[str, typer.Argument(help="Its name: git_branch")],
    watch: Annotated[bool, typer.Option("--watch", help="A line at each change, until Ctrl-C.")] = False,
    interval: Interval = 2.0,
    folder: Folder = None,
    url: Url = None,
) -> None:
    """The bare value of one key, in one line of at most 2,048 bytes; empty for null.

    Ends with 3 where there is no such key or it does not apply here, and with 1 where its collector failed.
    """
    from fleet_metadata.commands.running import follow, run, tell

    async def look(reader: "Reader") -> None:
        await (follow(key, reader, interval) if watch else tell(key, reader))

    run(look, _reader(folder, url))


@main.command("coder-template")
def coder_template(
    everything: Annotated[
        bool, typer.Option("--all", help="Every key, instead of those that belong into a list.")
    ] = False,
    keys: Annotated[str | None, typer.Option(metavar="NAME,...", help="These keys, in this order.")] = None,
    url: Annotated[
        str, typer.Option(callback=_server, help="Where the server listens, seen from the agent.")
    ] = "http://127.0.0.1:8001",
    token: Annotated[bool, typer.Option("--token", help="Send the token of FLEET_METADATA_TOKEN.")] = False,
) -> None:
    """The metadata blocks of a Coder template, ready to paste."""
    if everything and keys is not None:
        raise typer.BadParameter("there are --all or --keys to choose, not both")
    settings = _settings()
    from fleet_metadata.board_of import UnknownCollector, collectors_of
    from fleet_metadata.collection.untold import NoSuchKey
    from fleet_metadata.commands.coder_template import chosen, template
    from fleet_metadata.commands.command_log import set_up_log
    from fleet_metadata.commands.running import UNKNOWN, WRONG, failure

    set_up_log(settings)
    try:
        offered = [key for collector in collectors_of(settings) for key in collector.keys]
        blocks = template(chosen(offered, keys, everything=everything), url, with_token=token)
    except UnknownCollector as error:
        raise failure(error, WRONG) from None
    except NoSuchKey as error:
        raise failure(error, UNKNOWN) from None
    typer.echo(blocks.encode(), nl=False)
