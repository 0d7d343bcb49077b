"""Taking in what one source knows of services and dependencies, all of it or nothing."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from dependency_graph.application.cycle_search import MOST_TRACED
from dependency_graph.application.cycle_watch import DetectedCycle, detect_cycles
from dependency_graph.application.ports import Graph
from dependency_graph.domain.dependency import (
    Attributes,
    Conflict,
    Dependency,
    DiscoverySource,
    Pair,
    Traffic,
    conflict,
)
from dependency_graph.domain.service import Service, ServiceType

CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Node:
    """A service as told; `metadata` is None where nothing was said of it."""

    service_id: str
    metadata: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Edge:
    pair: Pair
    attributes: Attributes
    traffic: Traffic | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What `source` observed at `timestamp` (with a time zone). Values are valid, repeats are allowed.

    `hints` are the types of services that were seen, but that nobody told of: placeholders get them.
    """

    source: DiscoverySource
    timestamp: datetime
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    hints: Mapping[str, ServiceType] = field(default_factory=dict[str, ServiceType])


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a batch did; `nodes_upserted` and `edges_upserted` count what is new or differs now."""

    ingestion_id: UUID
    nodes_upserted: int
    edges_upserted: int
    generation: int
    cycles: Sequence[DetectedCycle]
    conflicts: Sequence[Conflict]
    warnings: Sequence[str]


async def ingest(batch: Batch, graph: Graph, now: datetime) -> Ingested:
    """Store `batch` in the transaction of `graph`. The same batch again changes nothing."""
    generation = await graph.generation.lock()
    nodes = {node.service_id: node for node in batch.nodes}
    edges = {edge.pair: edge for edge in batch.edges if edge.pair[0] != edge.pair[1]}
    services = await _services(nodes, edges, batch.hints, graph)
    nodes_upserted = await graph.services.save([*services.told, *services.placeholders])

    known = await graph.dependencies.find(edges)
    dependencies = [_observed(edge, known.get(pair, ()), batch) for pair, edge in edges.items()]
    edges_upserted = await graph.dependencies.save(dependencies)

    added = {pair for pair in edges if all(row.is_stale for row in known.get(pair, ()))}
    detection = await detect_cycles(graph, edges.keys(), added, now)
    if nodes_upserted or edges_upserted:
        generation = await graph.generation.advance()
    conflicts = (conflict(new, known.get(new.pair, ())) for new in dependencies)
    return Ingested(
        uuid4(),
        nodes_upserted,
        edges_upserted,
        generation,
        detection.cycles,
        [found for found in conflicts if found],
        list(_warnings(batch, len(services.placeholders), detection.untraced, now)),
    )


class _Services(NamedTuple):
    """The services to store: those that something was told of, and new ones for the unknown ends of edges."""

    told: list[Service]
    placeholders: list[Service]


async def _services(
    nodes: Mapping[str, Node], edges: Collection[Pair], hints: Mapping[str, ServiceType], graph: Graph
) -> _Services:
    ends = {service_id for pair in edges for service_id in pair}
    known = await graph.services.find(ends | nodes.keys())
    told = [_told(node, known.get(node.service_id)) for node in nodes.values()]
    unknown = sorted(ends - known.keys() - nodes.keys())
    hinted = [
        replace(service, service_type=hints[service.service_id])
        for service in known.values()
        if service.discovered and service.service_id in hints and service.service_id not in nodes
    ]
    placeholders = [Service.placeholder(name, hints.get(name, ServiceType.INTERNAL)) for name in unknown]
    return _Services(told + hinted, placeholders)


def _told(node: Node, known: Service | None) -> Service:
    if node.metadata is None and known:
        return known.claimed()
    return Service.registered(node.service_id, node.metadata or {})


def _observed(edge: Edge, known: Sequence[Dependency], batch: Batch) -> Dependency:
    for row in known:
        if row.discovery_source is batch.source:
            return row.seen_again(edge.attributes, batch.timestamp, edge.traffic)
    return Dependency.first_seen(edge.pair, batch.source, edge.attributes, batch.timestamp, edge.traffic)


def _warnings(batch: Batch, placeholders: int, untraced: int, now: datetime) -> Iterable[str]:
    if batch.timestamp > now + CLOCK_TOLERANCE:
        yield f"the timestamp lies in the future; until {batch.timestamp:%Y-%m-%d} no other observation counts"
    loops = sum(edge.pair[0] == edge.pair[1] for edge in batch.edges)
    if loops:
        yield f"{_count(loops, 'edge from a service to itself was', 'edges from a service to itself were')} left out"
    if placeholders:
        yield _count(
            placeholders,
            "unknown service was created as a placeholder",
            "unknown services were created as placeholders",
        )
    yield from _repeats("node", [repr(node.service_id) for node in batch.nodes])
    pairs = (edge.pair for edge in batch.edges)
    yield from _repeats("edge", [f"{source!r} -> {target!r}" for source, target in pairs if source != target])
    if untraced:
        yield f"{untraced} more edges lie on cycles; only the first {MOST_TRACED} were traced to one each"


def _repeats(noun: str, names: Sequence[str]) -> Iterable[str]:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        stands = _count(len(repeated), f"{noun} stands", f"{noun}s stand")
        yield f"{stands} in the body more than once, the last one counts: {', '.join(repeated[:5])}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
