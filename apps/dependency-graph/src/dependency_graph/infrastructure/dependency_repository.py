from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
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
from dependency_graph.infrastructure.parts import in_parts
from dependency_graph.infrastructure.statements import statement

_NO_TRAFFIC = Traffic()
_COLUMNS = (
    *("source", "target", "discovery_source", "communication_mode", "criticality", "protocol", "timeout_ms"),
    *("retry_config", "observations", "confidence_score", "first_observed_at", "last_observed_at"),
    *("is_stale", "request_rate", "error_rate", "p95_ms"),
)


class PostgresDependencies:
    """Dependencies inside one transaction; see the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, pairs: Collection[Pair]) -> Mapping[Pair, Sequence[Dependency]]:
        rows = await self._connection.execute(statement("find_dependencies"), _ends(pairs))
        found = defaultdict[Pair, list[Dependency]](list)
        for row in rows.mappings():
            dependency = _dependency(row)
            found[dependency.pair].append(dependency)
        return found

    async def save(self, dependencies: Collection[Dependency]) -> int:
        if not dependencies:
            return 0
        return await self._connection.scalar(statement("save_dependencies"), _columns(dependencies)) or 0

    async def withdraw(self, pairs: Collection[Pair], source: DiscoverySource) -> int:
        told = {**_ends(pairs), "discovery_source": source}
        return await self._connection.scalar(statement("withdraw_dependencies"), told) or 0

    async def callers(self, service_ids: Collection[str]) -> Collection[str]:
        return set(
            await self._connection.scalars(statement("callers_among"), {"service_ids": list(service_ids)})
        )

    async def reachable_from(self, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        return await self._walk("reachable_pairs", service_ids, most)

    async def leading_to(self, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        return await self._walk("leading_pairs", service_ids, most)

    async def _walk(self, name: str, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        start = {"service_ids": list(service_ids), "most": most}
        rows = (await self._connection.execute(statement(name), start)).all()
        return None if len(rows) > most else [(source, target) for source, target in rows]

    async def fresh(self) -> AsyncIterator[Sequence[Pair]]:
        async for rows in in_parts(self._connection, "fresh_pairs"):
            yield [(source, target) for source, target in rows]

    async def mark_stale(self, last_observed: datetime) -> int:
        marked = await self._connection.scalar(statement("mark_stale"), {"last_observed": last_observed})
        return marked or 0


def _ends(pairs: Collection[Pair]) -> dict[str, list[str]]:
    return {"sources": [source for source, _ in pairs], "targets": [target for _, target in pairs]}


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
    return None if traffic == _NO_TRAFFIC else traffic


def _columns(dependencies: Collection[Dependency]) -> dict[str, list[Any]]:
    rows = [_row(dependency) for dependency in dependencies]
    return dict(zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))


def _row(dependency: Dependency) -> tuple[Any, ...]:
    attributes, traffic = dependency.attributes, dependency.traffic or _NO_TRAFFIC
    return (
        *dependency.pair,
        dependency.discovery_source,
        attributes.communication_mode,
        attributes.criticality,
        attributes.protocol,
        attributes.timeout_ms,
        None if attributes.retry_config is None else dumps(attributes.retry_config),
        dependency.observations,
        dependency.confidence_score,
        dependency.first_observed_at,
        dependency.last_observed_at,
        dependency.is_stale,
        traffic.request_rate,
        traffic.error_rate,
        traffic.p95_ms,
    )
