import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dependency_graph.application.ports import Topology, Upstream
from dependency_graph.domain.errors import ServiceNotFound
from dependency_graph.domain.impact import Impact, Spread
from dependency_graph.domain.service import Criticality

_RANK = {criticality: rank for rank, criticality in enumerate(Criticality)}


@dataclass(frozen=True, slots=True)
class Impacted:
    """A service that fails or degrades; `path` leads from it to the failing one in `distance` steps."""

    service_id: str
    impact: Impact
    distance: int
    criticality: Criticality
    team: str | None
    path: Sequence[str]


@dataclass(frozen=True, slots=True)
class ImpactStatistics:
    """Counts of all that is impacted, also beyond the limit."""

    total: int
    fails: int
    degrades: int
    max_distance: int
    by_criticality: Mapping[Criticality, int]


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What the failure of a service does to others, the most critical first; `truncated` at the limit."""

    service_id: str
    generation: int
    impacted: Sequence[Impacted]
    statistics: ImpactStatistics
    truncated: bool


async def analyze_impact(service_id: str, depth: int, limit: int, topology: Topology) -> BlastRadius:
    """Everything within `depth` steps upstream that fails or degrades when a service fails.

    Ranked by criticality, then distance, then id; the first `limit` are told. Raises ServiceNotFound.
    """
    upstream = await topology.upstream(service_id, depth)
    if upstream is None:
        raise ServiceNotFound(service_id)
    # In a thread, as it takes a second on the largest graphs, and others want answers meanwhile.
    return await asyncio.to_thread(_blast_radius, service_id, depth, limit, upstream)


def _blast_radius(service_id: str, depth: int, limit: int, upstream: Upstream) -> BlastRadius:
    spread = Spread.of(service_id, upstream.links, depth)
    known = upstream.services
    ranked = sorted((_RANK[known[one].criticality], spread.distance(one), one) for one in spread.impacted)
    told = [
        Impacted(one, spread.impact(one), distance, known[one].criticality, known[one].team, spread.path(one))
        for _, distance, one in ranked[:limit]
    ]
    statistics = _statistics(spread, upstream)
    return BlastRadius(service_id, upstream.generation, told, statistics, len(ranked) > limit)


def _statistics(spread: Spread, upstream: Upstream) -> ImpactStatistics:
    impacts = Counter(spread.impact(one) for one in spread.impacted)
    criticalities = Counter(upstream.services[one].criticality for one in spread.impacted)
    return ImpactStatistics(
        impacts.total(),
        impacts[Impact.FAILS],
        impacts[Impact.DEGRADES],
        max((spread.distance(one) for one in spread.impacted), default=0),
        {criticality: criticalities[criticality] for criticality in Criticality},
    )
