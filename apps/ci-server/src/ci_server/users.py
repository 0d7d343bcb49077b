import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from api_access import ApiKey, KeyStore, Scope, StoreUnavailable, create_engine
from ci_server.domain.errors import StorageUnavailable
from ci_server.domain.job import Status
from ci_server.finding import FLEET, jobs_database_url, keys_database_url
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore
from ci_server.storage.job_store_users import UserJobs

_T = TypeVar("_T")
_Name = Annotated[str, typer.Argument(help="The name that the user's keys carry.")]
_DataDir = Annotated[Path, typer.Option(help="Where `fleet up` runs, if there is no other database.")]

users_app = typer.Typer(
    name="users", help="Users, who are the names that API keys carry.", no_args_is_help=True
)


class _User(NamedTuple):
    name: str
    keys: int
    """Of these, those that are good."""
    jobs: UserJobs | None


@users_app.command()
def create(name: _Name, data_dir: _DataDir = FLEET) -> None:
    """Make a key for a user to submit jobs with. It is shown this once, alone on standard output."""
    token, key = _with_keys(data_dir, lambda store: store.create(name, [Scope.READ, Scope.WRITE]))
    typer.echo(token)
    typer.echo(f"Key {key.key_id} for {key.name}. It cannot be shown again.", err=True)


@users_app.command()
def deactivate(name: _Name, data_dir: _DataDir = FLEET) -> None:
    """Revoke all keys of a user. They stop working within a minute; the user's jobs stay."""
    count = _with_keys(data_dir, lambda store: _revoke(store, name))
    if not count:
        typer.echo(f"Error: no key of {name!r} is good; `users list` shows who has any.", err=True)
        raise typer.Exit(1)
    typer.echo(
        f"{count} {'key' if count == 1 else 'keys'} of {name} revoked; none works after a minute.", err=True
    )


@users_app.command("list")
def list_users(
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False,
    data_dir: _DataDir = FLEET,
) -> None:
    """List who has keys or jobs: good keys, jobs by status, and the latest submission."""
    keys = _with_keys(data_dir, lambda store: store.list())
    users = _users(keys, _jobs_by_user(data_dir))
    if as_json:
        typer.echo(json.dumps([_fields(user) for user in users], indent=2))
    else:
        # A name may hold what rich would take for markup.
        Console(markup=False, emoji=False, highlight=False).print(_table(users))


async def _revoke(store: KeyStore, name: str) -> int:
    good = [key for key in await store.list() if key.name == name and _is_good(key)]
    for key in good:
        await store.revoke(key.key_id)
    return len(good)


def _is_good(key: ApiKey) -> bool:
    return key.ends_at is None or key.ends_at > datetime.now(UTC)


def _users(keys: Sequence[ApiKey], jobs: Mapping[str, UserJobs]) -> Sequence[_User]:
    names = sorted({key.name for key in keys} | jobs.keys())
    good = Counter(key.name for key in keys if _is_good(key))
    return [_User(name, good[name], jobs.get(name)) for name in names]


def _fields(user: _User) -> Mapping[str, Any]:
    by_status = {status.value: user.jobs.jobs.get(status, 0) if user.jobs else 0 for status in Status}
    latest = user.jobs.latest.astimezone(UTC).isoformat() if user.jobs else None
    return {"name": user.name, "keys": user.keys, "jobs": by_status, "latest": latest}


def _table(users: Sequence[_User]) -> Table:
    table = Table("User", "Keys", *(status.value.capitalize() for status in Status), "Latest submission")
    for column in table.columns:
        column.overflow = "fold"
    for user in users:
        told = _fields(user)
        table.add_row(
            user.name, str(user.keys), *map(str, told["jobs"].values()), (told["latest"] or "")[:19]
        )
    return table


def _jobs_by_user(data_dir: Path) -> Mapping[str, UserJobs]:
    async def jobs(url: str) -> Sequence[UserJobs]:
        database = Database(url)
        try:
            return await JobStore(database).users()
        finally:
            await database.close()

    try:
        with jobs_database_url(data_dir) as url:
            return {user.name: user for user in asyncio.run(jobs(url))}
    except StorageUnavailable as error:
        _refuse(error)


def _with_keys(data_dir: Path, work: Callable[[KeyStore], Coroutine[Any, Any, _T]]) -> _T:
    async def done(url: str) -> _T:
        engine = create_engine(url)
        try:
            return await work(KeyStore(engine))
        finally:
            await engine.dispose()

    try:
        with keys_database_url(data_dir) as url:
            return asyncio.run(done(url))
    except (StoreUnavailable, ValueError) as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    typer.echo(f"Error: {error}", err=True)
    raise typer.Exit(1) from None
