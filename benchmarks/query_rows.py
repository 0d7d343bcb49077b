"""Queries: the repeated and the first, on a sparse, a large and a dense graph."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import asyncpg
from figures import Result, Scale, at_least, at_most, in_turn, milliseconds, round_medians
from load import Address, Client, requests_per_second
from sqlalchemy.dialects.postgresql import asyncpg as dialects
from stand import Stand
from topology import Topology, dense, layered

from dependency_graph.infrastructure.statements import statement

ANSWER_SIZES = (20_000, 200_000)
WARM_UP = 20
SETTLED_SECONDS = 2


def path_of(service_id: str, depth: int = 3, direction: str = "both", limit: int = 1000) -> str:
    """The query; one that differs in its `limit` only is not in the cache yet, and as much work."""
    return f"/api/v1/services/{service_id}/dependencies?depth={depth}&direction={direction}&limit={limit}"


async def repeated(stand: Stand, scale: Scale) -> list[Result]:
    """One query again and again, its answer small or large, against the same bytes from a bare route."""
    topology = layered("s", scale.services, scale.edges)
    async with stand.database(topology) as (url, _), stand.service(url) as service:
        answers = await _answers(service, topology)
        paths = [min(answers, key=lambda path: abs(len(answers[path]) - size)) for size in ANSWER_SIZES]
        names = [f"{number}.json" for number in range(len(paths))]
        bodies = [answers[path] for path in paths]
        async with stand.bare(dict(zip(names, bodies, strict=True))) as bare:
            return [
                await _repeated(service, path, bare, f"/{name}", len(body), scale)
                for path, name, body in zip(paths, names, bodies, strict=True)
            ]


async def _answers(service: Address, topology: Topology) -> dict[str, bytes]:
    """Answers of all sizes to 3-hop queries: the lower the layer, the less lies downstream."""
    names = Random(1).sample(topology.services, 200)
    paths = [path_of(name, direction=direction) for name in names for direction in ("downstream", "both")]
    async with Client.connected(service) as client:
        return {path: await client.get(path) for path in paths}


async def _repeated(
    service: Address, path: str, bare: Address, bare_path: str, size: int, scale: Scale
) -> Result:
    ours, theirs = await in_turn(
        scale.rounds,
        lambda _: requests_per_second(service, path, scale.load_seconds),
        lambda _: requests_per_second(bare, bare_path, scale.load_seconds),
    )
    what = f"repeat of a 3-hop query with key and limit, {size / 1000:.0f} KB"
    return at_least(0.5, what, ours, "a bare route", theirs, "requests/s")


async def first(stand: Stand, scale: Scale) -> list[Result]:
    """A query of another service each time, which no cache knows, against the same SQL through asyncpg."""
    return await _first(stand, layered("s", scale.services, scale.edges), scale)


async def first_large(stand: Stand, scale: Scale) -> list[Result]:
    """As `first`, on a graph that is large."""
    return (await _first(stand, layered("s", scale.large_services, scale.large_edges), scale))[:1]


async def _first(stand: Stand, topology: Topology, scale: Scale) -> list[Result]:
    turns = scale.rounds * scale.queries
    names = Random(1).sample(topology.services, WARM_UP + turns)
    async with (
        stand.database(topology) as (url, connection),
        stand.service(url) as service,
        Client.connected(service) as client,
    ):
        bare = await _bare_query(connection)
        for name in names[turns:]:
            assert await client.get(path_of(name)) == (await bare(name)).encode()
        # The first of them had the graph loaded into memory, where it is not too large.
        await asyncio.sleep(SETTLED_SECONDS)
        ours, theirs = await in_turn(
            turns,
            lambda turn: milliseconds(client.get(path_of(names[turn]))),
            lambda turn: milliseconds(bare(names[turn])),
        )
    our_medians, bare_medians = (round_medians(times, scale.rounds) for times in (ours, theirs))
    our_99th, bare_99th = _percentile_99(ours), _percentile_99(theirs)
    what = f"first 3-hop query, {len(topology.services):,} services, {len(topology.pairs):,} edges"
    figures = f"{our_99th:.2f} and {bare_99th:.2f} ms"
    return [
        at_most(2, what, our_medians, "bare SQL", bare_medians),
        Result("its 99th percentile", "under 10 ms", f"{our_99th:.3g} ms", figures, our_99th < 10),
    ]


async def _bare_query(connection: asyncpg.Connection) -> Callable[[str], Awaitable[str]]:
    """The service's own statement with its default parameters, prepared: from service id to answer."""
    compiled = statement("dependencies_of").compile(dialect=dialects.dialect())
    names = compiled.positiontup or []
    prepared = await connection.prepare(str(compiled))
    defaults = {
        "direction": "both",
        "walk_downstream": True,
        "walk_upstream": True,
        "depth": 3,
        "include_stale": False,
        "include_external": True,
        "min_confidence": 0.0,
        "dependency_criticality": None,
        "service_criticality": None,
        "most_nodes": 1000,
    }

    async def ask(service_id: str) -> str:
        values = {"service_id": service_id, **defaults}
        row = await prepared.fetchrow(*[values[name] for name in names])
        assert row
        return row["body"]

    return ask


def _percentile_99(figures: list[float]) -> float:
    return sorted(figures)[len(figures) * 99 // 100]


async def dense_and_cyclic(stand: Stand, scale: Scale) -> list[Result]:
    """Ten hops where all call all, against three hops on the graph of `first` and three where all call all."""
    sparse = layered("s", scale.services, scale.edges)
    tangle = dense("dense", scale.dense_services)
    names = Random(1).sample(sparse.services, scale.rounds * scale.queries)

    def of_tangle(turn: int, depth: int) -> str:
        return path_of(tangle.services[turn % len(tangle.services)], depth, limit=1000 + turn)

    async with (
        stand.database(sparse, tangle) as (url, _),
        stand.service(url) as service,
        Client.connected(service) as client,
    ):
        figures = await in_turn(
            len(names),
            lambda turn: milliseconds(client.get(of_tangle(turn, 10))),
            lambda turn: milliseconds(client.get(of_tangle(turn, 3))),
            lambda turn: milliseconds(client.get(path_of(names[turn]))),
        )
    deep, shallow, first_query = [round_medians(times, scale.rounds) for times in figures]
    what = f"dense cyclic graph ({scale.dense_services} services, all calling all), depth 10"
    return [
        at_most(3, what, deep, "a first 3-hop query as above", first_query),
        at_most(3, "the same", deep, "depth 3 on the same graph", shallow),
    ]
