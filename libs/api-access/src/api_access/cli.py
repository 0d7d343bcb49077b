import asyncio
import inspect
import re
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from sqlalchemy import NullPool

from api_access.api_key import ApiKey, Scope
from api_access.engines import create_engine
from api_access.errors import StoreUnavailable, UnknownKey
from api_access.key_listing import as_json, as_table
from api_access.key_store import KeyStore
from api_access.rate_limits import RateLimit

_T = TypeVar("_T")
_DatabaseUrl = Callable[[Path], AbstractContextManager[str]]
_QUERY_AND_INGESTION = {"query": "--query-limit", "ingestion": "--ingest-limit"}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def api_keys_app(
    database_url: _DatabaseUrl, limit_options: Mapping[str, str] = _QUERY_AND_INGESTION
) -> typer.Typer:
    """The commands `create`, `list`, `revoke` and `rotate`, to be added to a service's command line.

    `database_url` is entered when a command runs, with the folder of its `--data-dir`, and yields the URL of
    the database for as long as it takes.
    `limit_options` names the option of `create` for each limit class; a class is a Python identifier.
    """
    app = typer.Typer(name="api-keys", help="API keys and their limits.", no_args_is_help=True)
    commands = _Commands(database_url)
    app.command()(_with_limit_options(commands.create, limit_options))
    app.command("list")(commands.list_keys)
    app.command()(commands.revoke)
    app.command()(commands.rotate)
    return app


def _limit(text: str) -> RateLimit:
    try:
        return RateLimit.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration; write a count of s, m, h or d: 90d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


_KeyId = Annotated[str, typer.Argument(help="As `list` shows it.")]
_Name = Annotated[str, typer.Option(help="Who the key is for.")]
_Scopes = Annotated[
    list[Scope] | None,
    typer.Option(help="May be repeated; admin brings the others.", show_default="read"),
]
_Expires = Annotated[
    timedelta | None, typer.Option(parser=_duration, metavar="DURATION", help="When the key ends: 90d.")
]
_Grace = Annotated[
    timedelta | None,
    typer.Option(
        parser=_duration, metavar="DURATION", help="How long the old key still works.", show_default="0s"
    ),
]
_DataDir = Annotated[Path, typer.Option(help="Where `fleet up` runs, if there is no other database of keys.")]
_FLEET = Path(".fleet")


class _Commands:
    def __init__(self, database_url: _DatabaseUrl) -> None:
        self._database_url = database_url

    def create(
        self,
        name: _Name,
        scope: _Scopes = None,
        expires: _Expires = None,
        data_dir: _DataDir = _FLEET,
        **limits: RateLimit | None,
    ) -> None:
        """Make a key. It is shown this once, alone on standard output."""
        given = {limit_class: limit for limit_class, limit in limits.items() if limit}
        expires_at = datetime.now(UTC) + expires if expires is not None else None
        _show(
            *self._run(data_dir, lambda store: store.create(name, scope or [Scope.READ], given, expires_at))
        )

    def list_keys(
        self,
        as_json_: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False,
        data_dir: _DataDir = _FLEET,
    ) -> None:
        """List all keys."""
        keys = self._run(data_dir, lambda store: store.list())
        if as_json_:
            typer.echo(as_json(keys))
        else:
            # A name may hold what rich would take for markup.
            Console(markup=False, emoji=False, highlight=False).print(as_table(keys))

    def revoke(self, key_id: _KeyId, data_dir: _DataDir = _FLEET) -> None:
        """End a key. It stops working everywhere within a minute."""
        self._run(data_dir, lambda store: store.revoke(key_id))
        typer.echo(f"{key_id} is revoked; it stops working within a minute.", err=True)

    def rotate(self, key_id: _KeyId, grace: _Grace = None, data_dir: _DataDir = _FLEET) -> None:
        """Replace a key by a new one, which is shown this once, alone on standard output."""
        _show(*self._run(data_dir, lambda store: store.rotate(key_id, grace or timedelta(0))))
        ends = "when its grace is over" if grace else "within a minute"
        typer.echo(f"{key_id} stops working {ends}.", err=True)

    def _run(self, data_dir: Path, work: Callable[[KeyStore], Coroutine[Any, Any, _T]]) -> _T:
        try:
            with self._database_url(data_dir) as url:
                return asyncio.run(_with_store(url, work))
        except (UnknownKey, StoreUnavailable, ValueError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None


def _with_limit_options(create: Callable[..., None], limit_options: Mapping[str, str]) -> Callable[..., None]:
    def command(**options: Any) -> None:
        create(**options)

    fixed = [p for p in inspect.signature(create).parameters.values() if p.kind is not p.VAR_KEYWORD]
    limits = [
        inspect.Parameter(
            limit_class,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                RateLimit | None,
                typer.Option(flag, parser=_limit, metavar="COUNT/PERIOD", help="As 600/min."),
            ],
        )
        for limit_class, flag in limit_options.items()
    ]
    # Typer reads options off a signature, and these differ from service to service.
    command.__signature__ = inspect.Signature([*fixed, *limits])
    command.__name__, command.__doc__ = "create", create.__doc__
    return command


async def _with_store(url: str, work: Callable[[KeyStore], Coroutine[Any, Any, _T]]) -> _T:
    engine = create_engine(url, poolclass=NullPool)
    return await work(KeyStore(engine))


def _show(token: str, key: ApiKey) -> None:
    typer.echo(token)
    typer.echo(f"Key {key.key_id} for {key.name}. It cannot be shown again.", err=True)
