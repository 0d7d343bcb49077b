from dataclasses import dataclass
from datetime import datetime, timedelta

from dependency_graph.application.cycle_watch import resolve_cycles
from dependency_graph.application.ports import Graph


@dataclass(frozen=True, slots=True)
class MarkedStale:
    """`dependencies` that became stale, and the number of the graph then."""

    dependencies: int
    generation: int


async def mark_stale(graph: Graph, unseen_for: timedelta, now: datetime) -> MarkedStale:
    """Mark what no source has observed for `unseen_for`, to the second; what a person told never gets stale.

    Alerts of cycles that are gone with it resolve. The next observation revives a dependency.
    """
    generation = await graph.generation.lock()
    marked = await graph.dependencies.mark_stale(now - unseen_for)
    if marked:
        await resolve_cycles(graph, await graph.alerts.unresolved(), now)
        generation = await graph.generation.advance()
    return MarkedStale(marked, generation)
