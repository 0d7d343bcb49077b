"""Taking in what one source knows of services and dependencies, all of it or nothing."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from dependency_graph.application.cycle_search import MOST_TRACED
from dependency_graph.application.cycle_watch import CycleWatch, DetectedCycle, Detection
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
NAMED_REPEATS = 5


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


class Repeats(NamedTuple):
    """How many names stand somewhere more than once, and the first few of them."""

    number: int
    first: Sequence[str]


@dataclass(frozen=True, slots=True)
class Slips:
    """What was told in a doubtful way: edges from a service to itself, and repeats."""

    loops: int
    nodes: Repeats
    edges: Repeats


async def ingest(batch: Batch, graph: Graph, now: datetime) -> Ingested:
    """Store `batch` in the transaction of `graph`. The same batch again changes nothing."""
    intake = await Intake.begin(batch.source, batch.timestamp, graph, batch.hints)
    edges = {edge.pair: edge for edge in batch.edges if edge.pair[0] != edge.pair[1]}
    await intake.take_nodes({node.service_id: node for node in batch.nodes}.values())
    await intake.take_edges(edges.values())

    async def touched() -> AsyncIterator[Sequence[Pair]]:
        yield sorted(edges)

    return await intake.end(touched(), _slips(batch), now)


class Intake:
    """One ingest under way: first come all nodes, then all edges, in parts without repeats, then the end.

    Of conflicts the first `most_conflicts` are kept; a warning counts the rest.
    """

    def __init__(
        self,
        source: DiscoverySource,
        timestamp: datetime,
        graph: Graph,
        generation: int,
        hints: Mapping[str, ServiceType],
        most_conflicts: int | None,
    ) -> None:
        self._source = source
        self._timestamp = timestamp
        self._graph = graph
        self._generation = generation
        self._hints = hints
        self._most_conflicts = most_conflicts
        self._watch = CycleWatch(graph)
        self._conflicts: list[Conflict] = []
        self._more_conflicts = self._placeholders = self._nodes_upserted = self._edges_upserted = 0

    @classmethod
    async def begin(
        cls,
        source: DiscoverySource,
        timestamp: datetime,
        graph: Graph,
        hints: Mapping[str, ServiceType] | None = None,
        most_conflicts: int | None = None,
    ) -> "Intake":
        """Waits for other writers, and keeps them waiting from now on."""
        return cls(source, timestamp, graph, await graph.generation.lock(), hints or {}, most_conflicts)

    async def take_nodes(self, nodes: Collection[Node]) -> None:
        if not nodes:
            return
        known = await self._graph.services.find([node.service_id for node in nodes])
        told = [_told(node, known.get(node.service_id)) for node in nodes]
        self._nodes_upserted += await self._graph.services.save(told)
        self._graph.count_ingested(self._source, len(nodes), 0)

    async def take_edges(self, edges: Collection[Edge]) -> None:
        if not edges:
            return
        await self._take_ends({service_id for edge in edges for service_id in edge.pair})
        pairs = {edge.pair for edge in edges}
        known = await self._graph.dependencies.find(pairs)
        dependencies = [self._observed(edge, known.get(edge.pair, ())) for edge in edges]
        self._edges_upserted += await self._graph.dependencies.save(dependencies)
        await self._watch.touch(pairs, {p for p in pairs if all(row.is_stale for row in known.get(p, ()))})
        conflicts = (conflict(new, known.get(new.pair, ())) for new in dependencies)
        self._keep([found for found in conflicts if found])
        self._graph.count_ingested(self._source, 0, len(edges))

    async def end(self, touched: AsyncIterator[Sequence[Pair]], slips: Slips, now: datetime) -> Ingested:
        """`touched` are the pairs of all edges, in order; only read where cycles are to be looked for."""
        detection = await self._watch.detect(touched, now)
        if self._nodes_upserted or self._edges_upserted:
            self._generation = await self._graph.generation.advance()
        return Ingested(
            uuid4(),
            self._nodes_upserted,
            self._edges_upserted,
            self._generation,
            detection.cycles,
            self._conflicts,
            list(self._warnings(slips, detection, now)),
        )

    async def _take_ends(self, ends: Collection[str]) -> None:
        unknown = await self._graph.services.unknown(ends)
        placeholders = [Service.placeholder(n, self._hints.get(n, ServiceType.INTERNAL)) for n in unknown]
        hinted = await self._hinted(self._hints.keys() & ends)
        if placeholders or hinted:
            self._nodes_upserted += await self._graph.services.save([*hinted, *placeholders])
        self._placeholders += len(placeholders)

    async def _hinted(self, ends: Collection[str]) -> list[Service]:
        if not ends:
            return []
        known = await self._graph.services.find(ends)
        hinted = {n: self._hints[n] for n, service in known.items() if service.discovered}
        # Databases call nobody: it is a service that has a database of its own name.
        databases = [n for n, hint in hinted.items() if hint is ServiceType.DATABASE]
        callers = await self._graph.dependencies.callers(databases) if databases else ()
        return [replace(known[n], service_type=hint) for n, hint in hinted.items() if n not in callers]

    def _observed(self, edge: Edge, known: Sequence[Dependency]) -> Dependency:
        for row in known:
            if row.discovery_source is self._source:
                return row.seen_again(edge.attributes, self._timestamp, edge.traffic)
        return Dependency.first_seen(edge.pair, self._source, edge.attributes, self._timestamp, edge.traffic)

    def _keep(self, conflicts: Sequence[Conflict]) -> None:
        room = len(conflicts) if self._most_conflicts is None else self._most_conflicts - len(self._conflicts)
        self._conflicts += conflicts[:room]
        self._more_conflicts += len(conflicts[room:])

    def _warnings(self, slips: Slips, detection: Detection, now: datetime) -> Iterable[str]:
        if self._timestamp > now + CLOCK_TOLERANCE:
            until = f"{self._timestamp:%Y-%m-%d}"
            yield f"the timestamp lies in the future; until {until} no other observation counts"
        if slips.loops:
            loops = _count(
                slips.loops, "edge from a service to itself was", "edges from a service to itself were"
            )
            yield f"{loops} left out"
        if self._placeholders:
            yield _count(
                self._placeholders,
                "unknown service was created as a placeholder",
                "unknown services were created as placeholders",
            )
        yield from _repeated("node", slips.nodes)
        yield from _repeated("edge", slips.edges)
        if detection.untraced:
            yield f"{detection.untraced} more edges lie on cycles; only the first {MOST_TRACED} were traced to one each"
        if self._more_conflicts:
            yield f"{self._more_conflicts} more conflicts were resolved; only the first {self._most_conflicts} are listed"


def _told(node: Node, known: Service | None) -> Service:
    if node.metadata is None and known:
        return known.claimed()
    return Service.registered(node.service_id, node.metadata or {})


def _slips(batch: Batch) -> Slips:
    pairs = [edge.pair for edge in batch.edges if edge.pair[0] != edge.pair[1]]
    nodes = _repeats(repr(node.service_id) for node in batch.nodes)
    return Slips(len(batch.edges) - len(pairs), nodes, _repeats(map(written, pairs)))


def written(pair: Pair) -> str:
    return f"{pair[0]!r} -> {pair[1]!r}"


def _repeats(names: Iterable[str]) -> Repeats:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    return Repeats(len(repeated), repeated[:NAMED_REPEATS])


def _repeated(noun: str, repeats: Repeats) -> Iterable[str]:
    if repeats.number:
        stands = _count(repeats.number, f"{noun} stands", f"{noun}s stand")
        yield f"{stands} in the body more than once, the last one counts: {', '.join(repeats.first)}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
