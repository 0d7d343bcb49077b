"""Keeping the alerts true to the cycles of the graph, after every change of its edges."""

import asyncio
from collections.abc import AsyncIterable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dependency_graph.application.cycle_search import Knots
from dependency_graph.application.pair_graph import PairGraph
from dependency_graph.application.ports import Graph
from dependency_graph.domain.cycle import Alert, AlertStatus, Cycle, pairs_of
from dependency_graph.domain.dependency import Pair

SIZES = (10_000, 100_000)
"""Pairs up to which the neighbourhood of a change is read; if it is larger still, the whole graph is."""

MOST_ADDED = 10_000
"""Added pairs beyond which the whole graph is searched."""


@dataclass(frozen=True, slots=True)
class DetectedCycle:
    alert: Alert
    new: bool


@dataclass(frozen=True, slots=True)
class Detection:
    """The cycles through the pairs of an ingest; `untraced` of its pairs lie on cycles not named here."""

    cycles: Sequence[DetectedCycle]
    untraced: int


class CycleWatch:
    """Follows one ingest, part by part, and raises or reopens an alert for each cycle through it."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[Cycle, Alert] = {}
        self._added: set[Pair] | None = set()
        self._again: set[Pair] | None = set()

    async def touch(self, pairs: Collection[Pair], added: Collection[Pair]) -> None:
        """`pairs` are stored now, of which `added` were not there before."""
        alerts = await self._graph.alerts.through({source for source, _ in pairs})
        self._known |= {alert.cycle: alert for alert in alerts if _leads_through(alert.cycle, pairs)}
        self._added = _joined(self._added, added)
        self._again = _joined(self._again, pairs)

    async def detect(self, touched: AsyncIterable[Sequence[Pair]], at: datetime) -> Detection:
        """The outcome, when all is stored; `touched` are all pairs again, in order.

        A new cycle leads through a new pair. Without any, cycles that nobody has named yet are looked for in a
        small neighbourhood only, as this happens at every repeated ingest.
        """
        known = self._known
        cycles, untraced = await cycles_still_there(self._graph, known), 0
        knots = await self._knots()
        if knots:
            async for pairs in touched:
                knots.touch(pairs)
            # In a thread, as it takes seconds on the largest graphs, and others want answers meanwhile.
            search = await asyncio.to_thread(knots.search)
            cycles, untraced = cycles | search.through_touched, search.untraced
        detected = [
            DetectedCycle(known[cycle].seen(at), new=False)
            if cycle in known
            else DetectedCycle(Alert.of(cycle, at), new=True)
            for cycle in sorted(cycles)
        ]
        await self._graph.alerts.save([d.alert for d in detected if d.alert != known.get(d.alert.cycle)])
        return Detection(detected, untraced)

    async def _knots(self) -> Knots | None:
        if self._added is None or self._added:
            return await _knots(self._graph, self._added)
        near = await _neighbourhood(self._graph, self._again, SIZES[:1]) if self._again else None
        return near and await asyncio.to_thread(Knots, near, self._again)


async def resolve_cycles(graph: Graph, alerts: Sequence[Alert], at: datetime) -> None:
    """Resolve those of `alerts` whose cycle is gone, and raise one for what is left of each knot.

    A cycle that goes may have been the only one named of several that shared its services.
    """
    there = await cycles_still_there(graph, {alert.cycle for alert in alerts})
    gone = [
        alert for alert in alerts if alert.cycle not in there and alert.status is not AlertStatus.RESOLVED
    ]
    if not gone:
        return
    members = {service_id for alert in gone for service_id in alert.cycle}
    knots = await _knots(graph, {(member, member) for member in members})
    left = (await asyncio.to_thread(knots.search)).cycles
    known = {alert.cycle for alert in await graph.alerts.through({cycle[0] for cycle in left})}
    await graph.alerts.save([alert.gone(at) for alert in gone])
    await graph.alerts.save([Alert.of(cycle, at) for cycle in sorted(left - known)])


async def _knots(graph: Graph, holding: Collection[Pair] | None) -> Knots:
    """The knots that hold one of these pairs, or else all of them."""
    near = None if holding is None else await _neighbourhood(graph, holding)
    return await asyncio.to_thread(Knots, near or await _whole(graph), holding)


async def _neighbourhood(
    graph: Graph, holding: Collection[Pair], sizes: Sequence[int] = SIZES
) -> PairGraph | None:
    """All that lies below the pairs, or above them, whichever is small: a cycle through one lies in both."""
    sources, targets = {source for source, _ in holding}, {target for _, target in holding}
    for most in sizes:
        pairs = await graph.dependencies.reachable_from(targets, most)
        if pairs is None:
            pairs = await graph.dependencies.leading_to(sources, most)
        if pairs is not None:
            near = PairGraph()
            near.add(pairs)
            return near
    return None


async def _whole(graph: Graph) -> PairGraph:
    whole = PairGraph()
    async for pairs in graph.dependencies.fresh():
        whole.add(pairs)
    return whole


def _joined(known: set[Pair] | None, more: Collection[Pair]) -> set[Pair] | None:
    """Both, or None once they are too many to be kept."""
    if known is None or len(known) + len(more) > MOST_ADDED:
        return None
    return known.union(more)


def _leads_through(cycle: Cycle, pairs: Collection[Pair]) -> bool:
    return any(pair in pairs for pair in pairs_of(cycle))


async def cycles_still_there(graph: Graph, cycles: Iterable[Cycle]) -> set[Cycle]:
    """Those of `cycles` all of whose pairs are in the graph, and not stale."""
    known = await graph.dependencies.find({pair for cycle in cycles for pair in pairs_of(cycle)})
    alive = {pair for pair, rows in known.items() if not all(row.is_stale for row in rows)}
    return {cycle for cycle in cycles if alive.issuperset(pairs_of(cycle))}
