"""Graphs to measure on: made from a seed, the same in every run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import permutations
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg

from dependency_graph.domain.dependency import Pair

LAYERS = 10
FARTHEST_LAYER = 3
BACK_EDGES = 0.006
OBSERVED = datetime(2026, 2, 14, 12, tzinfo=UTC)
METADATA = {"team": "payments", "criticality": "high", "tier": 1}
ATTRIBUTES = {"protocol": "grpc", "timeout_ms": 5000}

DEPENDENCY_COLUMNS = (
    *("source_id", "target_id", "discovery_source", *ATTRIBUTES),
    *("confidence_score", "first_observed_at", "last_observed_at"),
)


@dataclass(frozen=True, slots=True)
class Topology:
    services: list[str]
    pairs: list[Pair]


def layered(prefix: str, services: int, edges: int) -> Topology:
    """Services in layers that call the next three, and a few edges back, which close cycles."""
    random = Random(f"{prefix}{services}{edges}")
    names = [f"{prefix}{number:06}" for number in range(services)]
    width = services // LAYERS
    pairs: dict[Pair, None] = {}
    while len(pairs) < edges:
        near = random.randrange(services)
        layer = near // width + random.randint(1, FARTHEST_LAYER)
        if layer < LAYERS:
            far = layer * width + random.randrange(width)
            source, target = (far, near) if random.random() < BACK_EDGES else (near, far)
            pairs[names[source], names[target]] = None
    return Topology(names, list(pairs))


def dense(prefix: str, services: int) -> Topology:
    """All call all."""
    names = [f"{prefix}{number:06}" for number in range(services)]
    return Topology(names, list(permutations(names, 2)))


def ingest_body(topology: Topology) -> bytes:
    """The topology as one body of `POST /services/dependencies`."""
    nodes: list[Any] = [{"service_id": name, "metadata": METADATA} for name in topology.services]
    edges = [{"source": near, "target": far, "attributes": ATTRIBUTES} for near, far in topology.pairs]
    told = {"source": "manual", "timestamp": OBSERVED.isoformat(), "nodes": nodes, "edges": edges}
    return json.dumps(told).encode()


async def load(connection: asyncpg.Connection, topology: Topology) -> None:
    """Copy the topology into the tables, and leave them as autovacuum would."""
    ids = {name: uuid4() for name in topology.services}
    metadata = json.dumps(METADATA)

    def dependencies() -> Iterator[tuple[object, ...]]:
        for near, far in topology.pairs:
            yield ids[near], ids[far], "manual", *ATTRIBUTES.values(), 1.0, OBSERVED, OBSERVED

    await connection.copy_records_to_table(
        "services",
        schema_name="graph",
        columns=["id", "service_id", "team", "criticality", "metadata"],
        records=((ids[name], name, METADATA["team"], METADATA["criticality"], metadata) for name in ids),
    )
    await connection.copy_records_to_table(
        "service_dependencies",
        schema_name="graph",
        columns=DEPENDENCY_COLUMNS,
        records=dependencies(),
    )
    await connection.execute("VACUUM ANALYZE graph.services, graph.service_dependencies")
