"""One factory for each noun."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from asgi_lifespan import LifespanManager
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.types import ASGIApp

from api_access import KeyStore, asyncpg_url
from dependency_graph.application.ingest import Batch, Edge, Node
from dependency_graph.domain.dependency import Attributes, DependencyCriticality, DiscoverySource, Pair

NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)


def started(app: ASGIApp) -> LifespanManager:
    """A context in which `app` runs; it has a minute to start, and one to stop."""
    return LifespanManager(app, startup_timeout=60, shutdown_timeout=60)


def later(hours: float = 1) -> datetime:
    return NOON + timedelta(hours=hours)


def batch(
    *pairs: str | Pair,
    nodes: Mapping[str, Mapping[str, Any] | None] | None = None,
    source: DiscoverySource = DiscoverySource.MANUAL,
    at: datetime = NOON,
    criticality: DependencyCriticality = DependencyCriticality.HARD,
) -> Batch:
    """A batch of edges, each two one-letter ids (`"ab"`) or a pair."""
    edges = [Edge((pair[0], pair[1]), Attributes(criticality=criticality)) for pair in pairs]
    return Batch(source, at, [Node(name, metadata) for name, metadata in (nodes or {}).items()], edges)


def body(
    *pairs: str | Pair,
    nodes: Mapping[str, Mapping[str, Any] | None] | None = None,
    source: str = "manual",
    at: datetime = NOON,
    **attributes: Any,
) -> dict[str, Any]:
    """The body of an ingest, edges as for `batch`, all with the same attributes."""
    told = [
        {"service_id": name} | ({} if metadata is None else {"metadata": metadata})
        for name, metadata in (nodes or {}).items()
    ]
    edges = [{"source": pair[0], "target": pair[1], "attributes": attributes} for pair in pairs]
    return {"source": source, "timestamp": at.isoformat(), "nodes": told, "edges": edges}


async def make_key(database_url: str, *scopes: str, name: str = "tests") -> str:
    """A new API key in the database, and its secret."""
    engine = create_async_engine(asyncpg_url(database_url), poolclass=NullPool)
    token, _ = await KeyStore(engine).create(name, scopes, {}, None)
    return token
