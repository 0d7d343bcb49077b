"""Discovering dependencies in the service graph that a collector or Tempo makes of traces."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dependency_graph.application.ingest import Batch, Edge, Ingested, ingest
from dependency_graph.application.ports import Connection, ServiceGraphSource
from dependency_graph.application.sync import Changes, Transaction
from dependency_graph.domain.dependency import Attributes, CommunicationMode, DiscoverySource, Pair, Traffic
from dependency_graph.domain.errors import InvalidServiceId
from dependency_graph.domain.service import ServiceType, check_service_id

MESSAGING, DATABASE = "messaging_system", "database"

OUTSIDERS = frozenset({"user", "unknown"})
"""What the connector and Tempo call a caller or a peer that sends no spans of its own."""


async def discover(source: ServiceGraphSource, transaction: Transaction, now: datetime) -> Changes:
    """Take in what `source` sees now; how much that changed. Raises SourceFailed, and nothing is changed."""
    observed = await source.observe(now)
    batch = observed_batch(observed.connections, now)
    skipped = len(observed.connections) - len(_nameable(observed.connections))
    async with transaction() as graph:
        done = await ingest(batch, graph, now)
    return _changes(batch, done, skipped, observed.warnings)


def observed_batch(connections: Sequence[Connection], at: datetime) -> Batch:
    """`connections` as a batch to ingest, merged to one edge for each pair of services."""
    nameable = _nameable(connections)
    together = defaultdict[Pair, list[Connection]](list)
    for connection in nameable:
        together[connection.client, connection.server].append(connection)
    edges = [Edge(pair, _attributes(parts), _traffic(parts)) for pair, parts in sorted(together.items())]
    return Batch(DiscoverySource.OTEL_SERVICE_GRAPH, at, [], edges, _hints(nameable))


def _nameable(connections: Iterable[Connection]) -> list[Connection]:
    return [c for c in connections if _is_service_id(c.client) and _is_service_id(c.server)]


def _is_service_id(text: str) -> bool:
    try:
        check_service_id(text)
    except InvalidServiceId:
        return False
    return True


def _attributes(parts: Sequence[Connection]) -> Attributes:
    """One caller that waits for the answer is enough: then the failure of the target is felt at once."""
    all_messages = all(part.connection_type == MESSAGING for part in parts)
    return Attributes(CommunicationMode.ASYNC if all_messages else CommunicationMode.SYNC)


def _traffic(parts: Sequence[Connection]) -> Traffic:
    rates = [part.request_rate for part in parts if part.request_rate is not None]
    slowest = [part.p95_ms for part in parts if part.p95_ms is not None]
    return Traffic(sum(rates) if rates else None, _error_rate(parts), max(slowest, default=None))


def _error_rate(parts: Iterable[Connection]) -> float | None:
    """The failed part of all requests of which both numbers are known."""
    requests = failed = 0.0
    for part in parts:
        if part.request_rate is not None and part.failed_rate is not None:
            requests, failed = requests + part.request_rate, failed + part.failed_rate
    return min(1.0, max(0.0, failed / requests)) if requests > 0 else None


def _hints(connections: Sequence[Connection]) -> Mapping[str, ServiceType]:
    databases = {c.server for c in connections if c.connection_type == DATABASE}
    # A database is often named like the service that owns it, which is no database.
    others = {c.server for c in connections if c.connection_type != DATABASE} | {
        c.client for c in connections
    }
    outsiders = OUTSIDERS & (databases | others)
    return dict.fromkeys(databases - others, ServiceType.DATABASE) | dict.fromkeys(
        outsiders, ServiceType.EXTERNAL
    )


def _changes(batch: Batch, done: Ingested, skipped: int, warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "dependencies_seen": len(batch.edges),
        "services_upserted": done.nodes_upserted,
        "dependencies_upserted": done.edges_upserted,
        "cycles_found": sum(found.new for found in done.cycles),
        "skipped": skipped,
        "generation": done.generation,
        "warnings": [*warnings, *done.warnings],
    }
