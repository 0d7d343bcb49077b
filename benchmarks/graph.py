"""How fast the dependency graph service is, as ratios to the bare equivalent in one run.

uv run python benchmarks/graph.py [--smoke] [--large] [--only NAME]
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

import asyncpg
import typer
import uvloop
from figures import FULL, SMOKE, Result, Scale
from inventory_rows import inventory
from load import CONNECTIONS, GENERATOR
from query_rows import dense_and_cyclic, first, first_large, repeated
from stand import Stand
from stream_rows import streamed, streamed_large
from table import console, show
from write_rows import cycles_found, ingested

Row = Callable[[Stand, Scale], Awaitable[list[Result]]]


class Name(StrEnum):
    REPEAT = "repeat"
    FIRST = "first"
    FIRST_LARGE = "first-large"
    DENSE = "dense"
    INGEST = "ingest"
    NDJSON = "ndjson"
    NDJSON_LARGE = "ndjson-large"
    CYCLES = "cycles"
    INVENTORY = "inventory"


ROWS: dict[Name, Row] = {
    Name.REPEAT: repeated,
    Name.FIRST: first,
    Name.FIRST_LARGE: first_large,
    Name.DENSE: dense_and_cyclic,
    Name.INGEST: ingested,
    Name.NDJSON: streamed,
    Name.NDJSON_LARGE: streamed_large,
    Name.CYCLES: cycles_found,
    Name.INVENTORY: inventory,
}
LARGE = {Name.FIRST_LARGE, Name.NDJSON_LARGE}


def main(
    only: Annotated[list[Name] | None, typer.Option(help="Measure this; may be given again.")] = None,
    large: Annotated[bool, typer.Option("--large", help="Measure 1,000,000 edges too: minutes.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="All of it, tiny: whether it works.")] = False,
) -> None:
    """Measure the dependency graph service against the bare equivalent."""
    names = only or [name for name in Name if large or smoke or name not in LARGE]
    with Stand.up() as stand:
        uvloop.run(_measure(stand, names, SMOKE if smoke else FULL))


async def _measure(stand: Stand, names: list[Name], scale: Scale) -> None:
    screen, results = console(), list[Result]()
    for name in names:
        with screen.status(name):
            results += await ROWS[name](stand, scale)
    show(screen, results, smoke=scale is SMOKE, others=await _others(stand))


async def _others(stand: Stand) -> str:
    connection = await asyncpg.connect(stand.postgres_url)
    postgres = await connection.fetchval("SHOW server_version")
    await connection.close()
    return f"PostgreSQL {postgres}; repeats by {GENERATOR} on {CONNECTIONS} connections"


if __name__ == "__main__":
    typer.run(main)
