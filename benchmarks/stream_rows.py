"""Bodies that fit into no memory: how long they take, and how much memory the service takes for them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil
from figures import Result, Scale, milliseconds
from load import Address, Client
from stand import Stand
from topology import ATTRIBUTES, METADATA, OBSERVED, Topology, layered
from write_rows import EMPTY, INGEST

PATH = f"{INGEST}?source=manual&timestamp={quote(OBSERVED.isoformat())}"
SAMPLED_EVERY_SECONDS = 0.02
MB = 2**20


async def streamed(stand: Stand, scale: Scale) -> list[Result]:
    """A tenth of the large graph."""
    return await _streamed(stand, [(scale.large_services // 10, scale.large_edges // 10)])


async def streamed_large(stand: Stand, scale: Scale) -> list[Result]:
    """The large graph, after a tenth of it, into empty tables each."""
    large = scale.large_services, scale.large_edges
    return await _streamed(stand, [(large[0] // 10, large[1] // 10), large])


async def _streamed(stand: Stand, sizes: list[tuple[int, int]]) -> list[Result]:
    async with stand.database() as (url, connection), stand.service(url) as service:
        await _send(stand, service, connection, layered("warm", 50, 200))
        return [
            result
            for size in sizes
            for result in await _send(stand, service, connection, layered(f"stream{size}-", *size))
        ]


async def _send(
    stand: Stand, service: Address, connection: asyncpg.Connection, topology: Topology
) -> list[Result]:
    file = _written(stand.folder / "stream.ndjson", topology)
    await connection.execute(EMPTY)
    seconds = 90 * len(topology.pairs) / 1_000_000
    with file.open("rb") as lines:
        # The service closes a connection on which nothing comes while the file is made.
        async with Client.connected(service) as client, _peak_memory() as used:
            took = await milliseconds(client.send(PATH, lines)) / 1000
    what = f"{len(topology.pairs):,} edges as NDJSON, {file.stat().st_size / 1e6:.0f} MB"
    more = f"{(max(used) - used[0]) / MB:.0f} MB more"
    return [
        Result(what, f"under {seconds:.3g} s", f"{took:.3g} s", "", took < seconds),
        Result("the most memory meanwhile", "flat", more, f"{used[0] / MB:.0f} MB before", None),
    ]


def _written(path: Path, topology: Topology) -> Path:
    with path.open("w") as file:
        for name in topology.services:
            file.write(json.dumps({"service_id": name, "metadata": METADATA}) + "\n")
        for source, target in topology.pairs:
            file.write(json.dumps({"source": source, "target": target, "attributes": ATTRIBUTES}) + "\n")
    return path


@asynccontextmanager
async def _peak_memory() -> AsyncGenerator[list[int]]:
    """What the service uses, in bytes, measured again and again."""
    [service] = [p for p in psutil.Process().children(recursive=True) if "dependency_graph" in p.cmdline()]
    used = [service.memory_info().rss]

    async def sample() -> None:
        while True:
            await asyncio.sleep(SAMPLED_EVERY_SECONDS)
            used.append(service.memory_info().rss)

    sampling = asyncio.create_task(sample())
    try:
        yield used
    finally:
        sampling.cancel()
