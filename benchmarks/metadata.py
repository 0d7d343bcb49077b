"""How fast a workspace's metadata server is, as ratios to the bare equivalent in one run.

uv run python benchmarks/metadata.py [--smoke] [--only NAME]
"""

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from figures import Result, at_least, at_most, in_turn, milliseconds, within
from large_repository import make_repository
from load import GENERATOR, Address, Client, requests_per_second
from running import bare_routes, running
from table import console, show

from embedded_services.server import free_port
from fleet_metadata.client import FleetClient, Unreadable

READERS = 100
STATUS = ("--no-optional-locks", "status", "--porcelain=v2", "--branch", "--show-stash", "-z")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured; each round is one ratio."""

    rounds: int
    queries: int
    load_seconds: int
    files: int
    agents: int


FULL = Scale(7, 40, 3, 50_000, 100)
SMOKE = Scale(1, 5, 1, 500, 10)


async def local(folder: Path, scale: Scale) -> list[Result]:
    """What is on the machine, read at each request, against the `git status` that this needs."""
    repository = folder / "large"
    make_repository(repository, scale.files)
    port = free_port()
    with running(folder, *_serving(repository, port)):
        async with Client.connected(Address(port, "")) as client:
            rows = [
                await _local(client, repository, path, what, scale)
                for path, what in (("/metadata?prefix=git_", "git's keys"), ("/metadata", "all local keys"))
            ]
    return rows


async def _local(client: Client, repository: Path, path: str, what: str, scale: Scale) -> Result:
    await client.get(path)
    ours, bare = await in_turn(
        scale.rounds * scale.queries,
        lambda _: milliseconds(client.get(path)),
        lambda _: milliseconds(_status(repository)),
    )
    # 95 of 100 answers are to be within the bound, and not only the answer in the middle.
    slow = [quantiles(part, n=20)[-1] for part in _rounds(ours, scale)]
    what = f"{what}, {scale.files:,} files, 95th percentile"
    return at_most(3, what, slow, "git status", [median(part) for part in _rounds(bare, scale)])


def _rounds(figures: Sequence[float], scale: Scale) -> list[Sequence[float]]:
    return [figures[start : start + scale.queries] for start in range(0, len(figures), scale.queries)]


async def _status(repository: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "git", *STATUS, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    await process.communicate()


async def readers(folder: Path, scale: Scale) -> list[Result]:
    """100 readers who never pause, against the same bytes from a Starlette route that does nothing else."""
    repository = folder / "small"
    make_repository(repository, 100)
    port = free_port()
    with running(folder, *_serving(repository, port)):
        server = Address(port, "")
        async with Client.connected(server) as client:
            answer = await client.get("/metadata")
        with bare_routes(folder, "starlette", {"metadata": answer}) as bare:
            ours, theirs = await in_turn(
                scale.rounds,
                lambda _: requests_per_second(server, "/metadata", scale.load_seconds, READERS),
                lambda _: requests_per_second(bare, "/metadata", scale.load_seconds, READERS),
            )
    what = f"{READERS} concurrent readers, 100 files, {len(answer) / 1000:.0f} KB"
    return [at_least(0.5, what, ours, "a bare Starlette route", theirs, "requests/s")]


async def agents(folder: Path, scale: Scale) -> list[Result]:
    """`FleetClient` on real servers of one machine, of which one in twenty is not there."""
    repository = folder / "agent"
    make_repository(repository, 20)
    ports = [free_port() for _ in range(scale.agents)]
    dead = set(ports[:: scale.agents // max(1, scale.agents // 20)])
    script = str(Path(__file__).with_name("agents.py"))
    living = [str(port) for port in ports if port not in dead]
    urls = {f"agent-{port}": f"http://127.0.0.1:{port}" for port in ports}
    with running(folder, [script, str(repository), *living], int(living[-1]), {}):
        async with FleetClient(timeout=10) as client:
            await client.read(urls)
            [times] = await in_turn(scale.rounds, lambda _: milliseconds(_read(client, urls, len(dead))))
    return [within(1000, f"{scale.agents} agents read, {len(dead)} of them dead", times)]


async def _read(client: FleetClient, urls: dict[str, str], dead: int) -> None:
    found = await client.read(urls)
    if sum(isinstance(told, Unreadable) for told in found.values()) != dead:
        raise RuntimeError("not all agents that live were read")


def _serving(repository: Path, port: int) -> tuple[list[str], int, dict[str, str]]:
    settings = {"METADATA_FOLDER": str(repository), "METADATA_PORT": str(port), "LOG_LEVEL": "INFO"}
    return ["-m", "fleet_metadata", "serve"], port, settings


class Name(StrEnum):
    LOCAL = "local"
    READERS = "readers"
    AGENTS = "agents"


ROWS: dict[Name, Callable[[Path, Scale], Coroutine[Any, Any, list[Result]]]] = {
    Name.LOCAL: local,
    Name.READERS: readers,
    Name.AGENTS: agents,
}


def main(
    only: Annotated[list[Name] | None, typer.Option(help="Measure this; may be given again.")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="All of it, tiny: whether it works.")] = False,
) -> None:
    """Measure the metadata server against the bare equivalent."""
    scale, screen, results = SMOKE if smoke else FULL, console(), list[Result]()
    for name in only or Name:
        with screen.status(name), TemporaryDirectory(prefix="fleet-benchmark-") as folder:
            results += asyncio.run(ROWS[name](Path(folder), scale))
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    show(screen, results, smoke=smoke, others=f"{git}; readers by {GENERATOR}")


if __name__ == "__main__":
    typer.run(main)
