"""Taking in more than fits into memory, by the same rules, in one transaction."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dependency_graph.application.ingest import Edge, Ingested, Intake, Node, Repeats, Slips
from dependency_graph.application.ports import Graph
from dependency_graph.domain.dependency import DiscoverySource, Pair

MOST_CONFLICTS = 1_000
"""Conflicts that the answer to a stream lists."""


class Spooled(Protocol):
    """What a stream told, in the transaction that takes it in; of what it told twice the last one counts."""

    def nodes(self) -> AsyncIterator[Sequence[Node]]: ...

    def edges(self) -> AsyncIterator[Sequence[Edge]]: ...

    def pairs(self) -> AsyncIterator[Sequence[Pair]]:
        """The pairs of all edges, in order."""
        ...

    async def repeated_nodes(self) -> Repeats: ...

    async def repeated_edges(self) -> Repeats: ...


@dataclass(frozen=True, slots=True)
class Stream:
    """What `source` observed at `timestamp`; `loops` edges from a service to itself were left out of it."""

    source: DiscoverySource
    timestamp: datetime
    told: Spooled
    loops: int


async def ingest_stream(stream: Stream, graph: Graph, now: datetime) -> Ingested:
    """As `ingest`, in constant memory but for the search for cycles; lists of conflicts are cut short."""
    intake = await Intake.begin(stream.source, stream.timestamp, graph, most_conflicts=MOST_CONFLICTS)
    async for nodes in stream.told.nodes():
        await intake.take_nodes(nodes)
    async for edges in stream.told.edges():
        await intake.take_edges(edges)
    slips = Slips(stream.loops, await stream.told.repeated_nodes(), await stream.told.repeated_edges())
    return await intake.end(stream.told.pairs(), slips, now)
