"""Writes: taking in a body, and the search for cycles that is part of it."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from figures import Result, Scale, at_least, in_turn, milliseconds, within
from load import Client
from stand import Stand
from topology import ATTRIBUTES, METADATA, OBSERVED, Topology, ingest_body, layered

from dependency_graph.application.cycle_search import Knots, search_cycles
from dependency_graph.application.pair_graph import PairGraph
from dependency_graph.infrastructure.database import Database, dumps
from dependency_graph.infrastructure.dependency_repository import PostgresDependencies

INGEST = "/api/v1/services/dependencies"

Columns = Sequence[Sequence[Any]]

EMPTY = "TRUNCATE graph.services, graph.service_dependencies, graph.circular_dependency_alerts"
INSERT_SERVICES = """
INSERT INTO graph.services (service_id, metadata, team, criticality)
SELECT * FROM unnest($1::text[], $2::jsonb[], $3::text[], $4::text[])
ON CONFLICT (service_id) DO UPDATE SET
    metadata = excluded.metadata, team = excluded.team, criticality = excluded.criticality, updated_at = now()
"""
INSERT_DEPENDENCIES = """
INSERT INTO graph.service_dependencies (
    source_id, target_id, discovery_source, protocol, timeout_ms, confidence_score,
    first_observed_at, last_observed_at
)
SELECT source.id, target.id, 'manual', told.protocol, told.timeout_ms, 1, told.at, told.at
FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::timestamptz[])
    AS told (source, target, protocol, timeout_ms, at)
JOIN graph.services AS source ON source.service_id = told.source
JOIN graph.services AS target ON target.service_id = told.target
ON CONFLICT (source_id, target_id, discovery_source) DO UPDATE SET
    protocol = excluded.protocol, timeout_ms = excluded.timeout_ms,
    confidence_score = excluded.confidence_score, last_observed_at = excluded.last_observed_at
"""


async def ingested(stand: Stand, scale: Scale) -> list[Result]:
    """One body over HTTP, against the bare insert of such rows, each into empty tables."""

    async def post(turn: int) -> float:
        body = ingest_body(layered(f"http{turn}-", scale.body_services, scale.body_edges))
        await connection.execute(EMPTY)
        return await milliseconds(client.post(INGEST, body))

    async def insert(turn: int) -> float:
        services, dependencies = _rows(layered(f"bare{turn}-", scale.body_services, scale.body_edges))
        await connection.execute(EMPTY)
        return await milliseconds(_insert(connection, services, dependencies))

    async with (
        stand.database() as (url, connection),
        stand.service(url) as service,
        Client.connected(service) as client,
    ):
        ours, bare = await in_turn(scale.rounds, post, insert)
    what = f"ingest of {scale.body_services:,} services, {scale.body_edges:,} edges"
    our_rates, bare_rates = [[scale.body_edges / time * 1000 for time in times] for times in (ours, bare)]
    return [
        within(1000, f"{what}, with cycle detection", ours),
        at_least(1 / 3, "its rate", our_rates, "INSERT … ON CONFLICT from unnest", bare_rates, "edges/s"),
    ]


def _rows(topology: Topology) -> tuple[Columns, Columns]:
    """The services and the dependencies, each as the columns of their statement."""
    services, pairs = topology.services, topology.pairs
    attributes = [[value] * len(pairs) for value in ATTRIBUTES.values()]
    metadata = [[dumps(METADATA)], [METADATA["team"]], [METADATA["criticality"]]]
    return (
        [services, *(column * len(services) for column in metadata)],
        [*map(list, zip(*pairs, strict=True)), *attributes, [OBSERVED] * len(pairs)],
    )


async def _insert(connection: asyncpg.Connection, services: Columns, dependencies: Columns) -> None:
    async with connection.transaction():
        await connection.execute(INSERT_SERVICES, *services)
        await connection.execute(INSERT_DEPENDENCIES, *dependencies)


async def cycles_found(stand: Stand, scale: Scale) -> list[Result]:
    """The search as an ingest of the whole graph does it, alone and with the load of the pairs."""
    topology = layered("s", scale.services, scale.edges)
    touched = set(topology.pairs)
    in_order = sorted(touched)

    async def search() -> None:
        search_cycles(topology.pairs, touched)

    async def load_and_search() -> None:
        graph = PairGraph()
        async with database.snapshot() as connection:
            async for pairs in PostgresDependencies(connection).fresh():
                graph.add(pairs)
        knots = Knots(graph)
        knots.touch(in_order)
        knots.search()

    async with stand.database(topology) as (url, _):
        database = Database(url, 1, 0)
        alone, with_load = await in_turn(
            scale.rounds,
            lambda _: milliseconds(search()),
            lambda _: milliseconds(load_and_search()),
        )
        await database.close()
    what = f"cycle detection, {scale.services:,} services, {scale.edges:,} edges"
    return [within(100, what, alone), within(100, "the same with the load of the pairs", with_load)]
