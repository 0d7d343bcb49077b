"""How fast ColdQuery is, against the bare equivalent in one run.

uv run python benchmarks/coldquery.py [--smoke]
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import asyncpg
import typer
from fastmcp import Client
from figures import FULL, SMOKE, Result, Scale, at_most, in_turn, milliseconds, round_medians
from running import running
from table import console, show

from embedded_services import EmbeddedPostgres
from embedded_services.server import free_port

BARE_TOOL = Path(__file__).with_name("bare_tool.py")
READS = {
    "one row by its key": "SELECT id, name, amount, bought_at FROM purchase WHERE id = 4711",
    "100 rows of four columns": "SELECT id, name, amount, bought_at FROM purchase ORDER BY id LIMIT 100",
    "1,000 rows of four columns": "SELECT id, name, amount, bought_at FROM purchase ORDER BY id LIMIT 1000",
    "an aggregate of 10,000 rows": (
        "SELECT name, sum(amount), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM purchase GROUP BY name"
    ),
}
TABLE = """
CREATE TABLE purchase (id int PRIMARY KEY, name text, amount float8, bought_at timestamptz);
INSERT INTO purchase SELECT i, 'buyer ' || i % 50, i * 0.25, now() FROM generate_series(1, 10000) i;
ANALYZE purchase
"""


@asynccontextmanager
async def coldquery(folder: Path, database: str) -> AsyncGenerator[Client[Any]]:
    """A client of ColdQuery on that database."""
    port = free_port()
    settings = {
        "DATABASE_URL": database,
        "COLDQUERY_DATA_DIR": str(folder),
        "COLDQUERY_PORT": str(port),
        "RATE_LIMIT_QUERY": "1000000/min",
        "LOG_LEVEL": "WARNING",
    }
    with running(folder, ["-m", "coldquery", "serve"], port, settings):
        key = await asyncio.to_thread(
            subprocess.check_output,
            [sys.executable, "-m", "coldquery", "api-keys", "create", "--name", "agent", "--scope", "read"],
            env={**os.environ, **settings},
            text=True,
            stderr=subprocess.DEVNULL,
        )
        async with Client(f"http://127.0.0.1:{port}/mcp", auth=key.strip()) as client:
            yield client


@asynccontextmanager
async def bare(folder: Path, answers: dict[str, Any]) -> AsyncGenerator[Client[Any]]:
    """A client of a server whose tool answers what is known already."""
    port, file = free_port(), folder / "answers.json"
    file.write_text(json.dumps(answers))
    with running(folder, [str(BARE_TOOL), str(port), str(file)], port, {}):
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            yield client


async def reads(folder: Path, scale: Scale) -> list[Result]:
    """A read by the tool, against a tool that answers the same rows and a bare read of them."""
    results = list[Result]()
    with EmbeddedPostgres(folder / "postgres") as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute(TABLE)
        async with coldquery(folder, server.url) as ours:

            async def ask(sql: str) -> dict[str, Any]:
                answer = await ours.call_tool("pg_query", {"action": "read", "sql": sql})
                return answer.structured_content or {}

            answers = {name: await ask(sql) for name, sql in READS.items()}
            async with bare(folder, answers) as theirs:
                for name, sql in READS.items():
                    results.append(await _compared(name, sql, ask, theirs, connection, scale))
        await connection.close()
    return results


async def _compared(
    name: str,
    sql: str,
    ask: Callable[[str], Any],
    theirs: Client[Any],
    connection: asyncpg.Connection,
    scale: Scale,
) -> Result:
    tool, answer, read = await in_turn(
        scale.rounds * scale.queries,
        lambda _: milliseconds(ask(sql)),
        lambda _: milliseconds(theirs.call_tool("answer", {"name": name})),
        lambda _: milliseconds(connection.fetch(sql)),
    )
    both = [first + second for first, second in zip(answer, read, strict=True)]
    ours, bare = (round_medians(figures, scale.rounds) for figures in (tool, both))
    return at_most(2, f"a read through the tool: {name}", ours, "a bare tool and a bare read", bare)


def main(
    smoke: Annotated[bool, typer.Option("--smoke", help="All of it, tiny: whether it works.")] = False,
) -> None:
    """Measure ColdQuery against bare asyncpg and a bare MCP tool."""
    scale, screen = SMOKE if smoke else FULL, console()
    with screen.status("reads"), TemporaryDirectory(prefix="fleet-benchmark-") as folder:
        results = asyncio.run(reads(Path(folder), scale))
    show(screen, results, smoke=smoke, others="")


if __name__ == "__main__":
    typer.run(main)
