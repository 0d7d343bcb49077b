from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.domain.dependency import (
    Attributes,
    CommunicationMode,
    Dependency,
    DependencyCriticality,
    DiscoverySource,
    Pair,
    Traffic,
)
from dependency_graph.infrastructure.database import dumps
from dependency_graph.infrastructure.statements import statement


class PostgresDependencies:
    """Dependencies inside one transaction; see the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, pairs: Collection[Pair]) -> Mapping[Pair, Sequence[Dependency]]:
        told = dumps([{"source": source, "target": target} for source, target in pairs])
        rows = await self._connection.execute(statement("find_dependencies"), {"pairs": told})
        found = defaultdict[Pair, list[Dependency]](list)
        for row in rows.mappings():
            dependency = _dependency(row)
            found[dependency.pair].append(dependency)
        return found

    async def save(self, dependencies: Collection[Dependency]) -> int:
        rows = dumps([_row(dependency) for dependency in dependencies])
        return await self._connection.scalar(statement("save_dependencies"), {"rows": rows}) or 0

    async def reachable_from(self, service_ids: Collection[str]) -> Iterable[Pair]:
        rows = await self._connection.execute(
            statement("reachable_pairs"), {"service_ids": list(service_ids)}
        )
        return [(source, target) for source, target in rows]


def _dependency(row: RowMapping) -> Dependency:
    attributes = Attributes(
        CommunicationMode(row["communication_mode"]),
        DependencyCriticality(row["criticality"]),
        row["protocol"],
        row["timeout_ms"],
        row["retry_config"],
    )
    return Dependency(
        (row["source"], row["target"]),
        DiscoverySource(row["discovery_source"]),
        attributes,
        row["observations"],
        row["first_observed_at"],
        row["last_observed_at"],
        row["is_stale"],
        _traffic(row),
    )


def _traffic(row: RowMapping) -> Traffic | None:
    traffic = Traffic(row["request_rate"], row["error_rate"], row["p95_ms"])
    return None if traffic == Traffic() else traffic


def _row(dependency: Dependency) -> dict[str, Any]:
    attributes, traffic = dependency.attributes, dependency.traffic or Traffic()
    return {
        "source": dependency.pair[0],
        "target": dependency.pair[1],
        "discovery_source": dependency.discovery_source,
        "communication_mode": attributes.communication_mode,
        "criticality": attributes.criticality,
        "protocol": attributes.protocol,
        "timeout_ms": attributes.timeout_ms,
        "retry_config": attributes.retry_config,
        "observations": dependency.observations,
        "confidence_score": dependency.confidence_score,
        "first_observed_at": dependency.first_observed_at.isoformat(),
        "last_observed_at": dependency.last_observed_at.isoformat(),
        "is_stale": dependency.is_stale,
        "request_rate": traffic.request_rate,
        "error_rate": traffic.error_rate,
        "p95_ms": traffic.p95_ms,
    }
