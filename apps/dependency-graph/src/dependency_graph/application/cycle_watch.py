"""Keeping the alerts true to the cycles of the graph, after every change of its edges."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from dependency_graph.application.cycle_search import search_cycles
from dependency_graph.application.ports import Graph
from dependency_graph.domain.cycle import Alert, AlertStatus, Cycle, pairs_of
from dependency_graph.domain.dependency import Pair


@dataclass(frozen=True, slots=True)
class DetectedCycle:
    alert: Alert
    new: bool


@dataclass(frozen=True, slots=True)
class Detection:
    """The cycles through the pairs of an ingest; `untraced` of its pairs lie on cycles not named here."""

    cycles: Sequence[DetectedCycle]
    untraced: int = 0


async def detect_cycles(
    graph: Graph, touched: Collection[Pair], added: Collection[Pair], at: datetime
) -> Detection:
    """Raise or reopen an alert for each cycle through `touched`, of which `added` were not there before.

    A new cycle leads through a new pair, so that without any only the known alerts are looked at.
    """
    known = {alert.cycle: alert for alert in await graph.alerts.through({source for source, _ in touched})}
    cycles = await cycles_still_there(graph, {cycle for cycle in known if _leads_through(cycle, touched)})
    untraced = 0
    if added:
        reachable = await graph.dependencies.reachable_from({target for _, target in added})
        # In a thread, as it takes seconds on the largest graphs, and others want answers meanwhile.
        search = await asyncio.to_thread(search_cycles, reachable, touched)
        cycles |= {cycle for cycle in search.cycles if _leads_through(cycle, touched)}
        untraced = search.untraced
    detected = [
        DetectedCycle(known[cycle].seen(at), new=False)
        if cycle in known
        else DetectedCycle(Alert.of(cycle, at), new=True)
        for cycle in sorted(cycles)
    ]
    await graph.alerts.save([d.alert for d in detected if d.alert != known.get(d.alert.cycle)])
    return Detection(detected, untraced)


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
    reachable = await graph.dependencies.reachable_from(members)
    left = (await asyncio.to_thread(search_cycles, reachable, ())).cycles
    known = {alert.cycle for alert in await graph.alerts.through({cycle[0] for cycle in left})}
    await graph.alerts.save([alert.gone(at) for alert in gone])
    await graph.alerts.save([Alert.of(cycle, at) for cycle in sorted(left - known)])


def _leads_through(cycle: Cycle, pairs: Collection[Pair]) -> bool:
    return any(pair in pairs for pair in pairs_of(cycle))


async def cycles_still_there(graph: Graph, cycles: Collection[Cycle]) -> set[Cycle]:
    """Those of `cycles` all of whose pairs are in the graph, and not stale."""
    known = await graph.dependencies.find({pair for cycle in cycles for pair in pairs_of(cycle)})
    alive = {pair for pair, rows in known.items() if not all(row.is_stale for row in rows)}
    return {cycle for cycle in cycles if alive.issuperset(pairs_of(cycle))}
