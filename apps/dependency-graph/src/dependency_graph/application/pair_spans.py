"""Finding who calls whom in spans, whose two ends come from different services at different times."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

from dependency_graph.application.ingest import Batch, Edge, ingest
from dependency_graph.application.ports import Graph, OpenSpans
from dependency_graph.domain.dependency import Attributes, DiscoverySource, Pair
from dependency_graph.domain.service import ServiceType
from dependency_graph.domain.span import Call, Half, Span, calls_between_services

MOST_REMEMBERED = 10_000


class ToldPairs:
    """The pairs that this process told the graph of in the current minute, at most 10,000.

    An observation counts once for its timestamp, so telling them again would only keep other writers waiting.
    """

    def __init__(self) -> None:
        self._minute: datetime | None = None
        self._pairs: set[Pair] = set()

    def untold(self, pairs: Iterable[Pair], minute: datetime) -> list[Pair]:
        known = self._pairs if minute == self._minute else ()
        return [pair for pair in pairs if pair not in known]

    def remember(self, pairs: Iterable[Pair], minute: datetime) -> None:
        """`pairs` are in the graph now; to be called when the transaction that told them is committed."""
        if minute != self._minute:
            self._minute, self._pairs = minute, set()
        for pair in pairs:
            if len(self._pairs) < MOST_REMEMBERED:
                self._pairs.add(pair)


async def pair_spans(
    spans: Collection[Span], graph: Graph, open_spans: OpenSpans, told: ToldPairs, now: datetime
) -> list[Pair]:
    """Store the calls that `spans` complete, and keep the ends whose other end is to come.

    The pairs that the graph was told of, which are for `told` to remember once all is committed. The same
    spans again change nothing.
    """
    queries, halves, services = await asyncio.to_thread(_taken_apart, spans)
    met = await open_spans.meet(halves) if halves else ()
    databases = _databases(queries, services.union(*(call.pair for call in met)))
    found, minute = calls_between_services([*queries, *met]), to_the_minute(now)
    fresh = told.untold(found, minute)
    if fresh:
        edges = [Edge(pair, Attributes(found[pair].communication_mode)) for pair in fresh]
        await ingest(Batch(DiscoverySource.OTEL_SERVICE_GRAPH, minute, [], edges, databases), graph, now)
    return fresh


def _taken_apart(spans: Iterable[Span]) -> tuple[list[Call], set[Half], set[str]]:
    """The calls of databases, the halves of other calls, and the services that made `spans`."""
    queries: list[Call] = []
    halves: set[Half] = set()
    services: set[str] = set()
    for span in spans:
        services.add(span.service_id)
        halves.update(span.halves())
        if call := span.call:
            queries.append(call)
    return queries, halves, services


def _databases(queries: Iterable[Call], services: AbstractSet[str]) -> Mapping[str, ServiceType]:
    """What `queries` call; a database is often named like the service that owns it, which is none."""
    return dict.fromkeys({call.pair[1] for call in queries} - services, ServiceType.DATABASE)


def to_the_minute(moment: datetime) -> datetime:
    """The timestamp of what was observed at `moment`: a dependency is observed once a minute at most."""
    return moment.replace(second=0, microsecond=0)
