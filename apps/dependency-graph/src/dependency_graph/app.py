"""The one place that knows every layer: it builds the service."""

import gc
import multiprocessing
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Self, TypedDict

from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi_offline import FastAPIOffline
from fastmcp.server.http import StarletteWithLifespan
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan

from api_access import Guard, redis_url
from dependency_graph.api import (
    circular_dependencies,
    dependencies,
    graph_export,
    health,
    impact,
    ingest,
    mcp_servers,
    paths,
    services,
    traces,
)
from dependency_graph.api import sync as sync_api
from dependency_graph.api.access_policy import access_policy
from dependency_graph.api.answer_cache import AnswerCache
from dependency_graph.api.body_limit import BodyLimit
from dependency_graph.api.cut_off import CutOff
from dependency_graph.api.problems import PROBLEMS
from dependency_graph.api.service_id import RawPath
from dependency_graph.api.wiring import Resources
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_export import PostgresExports
from dependency_graph.infrastructure.graph_metrics import GraphMetrics
from dependency_graph.infrastructure.inventory_reader import PostgresInventory
from dependency_graph.infrastructure.migrating import what_is_missing
from dependency_graph.infrastructure.postgres_graph import graph_transaction
from dependency_graph.infrastructure.response_cache import LOOKUPS, CachingReader
from dependency_graph.infrastructure.shared_answers import SharedAnswers
from dependency_graph.infrastructure.snapshot_reader import SnapshotReader
from dependency_graph.infrastructure.spool import FileSpool
from dependency_graph.infrastructure.topology_reader import PostgresTopology
from dependency_graph.mcp.graph_service import GraphService
from dependency_graph.mcp.server import PATH as MCP_PATH
from dependency_graph.mcp.server import mcp_app
from dependency_graph.settings import Settings
from dependency_graph.shutdown import Shutdown
from dependency_graph.sources import running_sources
from dependency_graph.telemetry import SERVICE, telling, tracing
from embedded_services import die_with_parent
from observability import MetricSource, TelemetryMiddleware, configure_logging, metrics_endpoint
from problem_details import PROBLEM_RESPONSES
from problem_details.handlers import install_problem_handlers

if TYPE_CHECKING:
    from observability.tracing import Tracing


class State(TypedDict):
    resources: Resources


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of; `ends` are called once, at its stop."""

    database: Database
    guard: Guard
    graph: GraphService
    mcp: StarletteWithLifespan
    traces: "Tracing | None"
    ends: Sequence[Callable[[], Awaitable[object]]]

    @classmethod
    def of(cls, settings: Settings, database_url: str) -> Self:
        database = Database(database_url, settings.db_pool_size, settings.db_max_overflow)
        redis = redis_url(settings.redis_url, settings.redis_password)
        guard = Guard(database.engine, redis, SERVICE)
        reader = SnapshotReader(database)
        answers = SharedAnswers.connect(redis, settings.redis_cache_ttl, SERVICE) if redis else None
        graph = GraphService(
            CachingReader(reader, answers),
            PostgresTopology(database),
            PostgresInventory(database),
            lambda: graph_transaction(database),
        )
        ends = [guard.stop, reader.stop, *([answers.close] if answers else [])]
        mcp = mcp_app(graph, settings.mcp_allowed_hosts)
        return cls(database, guard, graph, mcp, tracing(settings), ends)


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The service as an ASGI app; `settings` come from the environment unless given, and name a database."""
    settings = settings or Settings()
    configure_logging(settings.log_level)
    if parent := multiprocessing.parent_process():
        die_with_parent(parent.pid)
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set; `dependency-graph serve` starts a database of its own")
    parts = Parts.of(settings, settings.database_url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
        # What is there now stays; the collector need not look at it each time that a large body comes.
        gc.freeze()
        try:
            async with _running(parts, settings) as resources:
                yield State(resources=resources)
        finally:
            await answering.wait()

    routes = _routes(lifespan, GraphMetrics(parts.database).collect, parts.mcp)
    guarded = parts.guard.before(
        BodyLimit(AnswerCache(routes, LOOKUPS.labels("hit").inc), ingest.is_stream),
        access_policy,
        {
            "query": settings.rate_limit_query,
            "ingestion": settings.rate_limit_ingestion,
            "traces": settings.rate_limit_traces,
        },
    )
    answering = CutOff(RawPath(guarded))
    return TelemetryMiddleware(answering, parts.traces)


@asynccontextmanager
async def _running(parts: Parts, settings: Settings) -> AsyncGenerator[Resources]:
    """What routes work with, while all that has a life of its own runs; all of it ends within bounds."""
    database, shutdown = parts.database, Shutdown()
    for end in parts.ends:
        shutdown.add(end)
    try:
        await shutdown.enter(telling(parts.traces, database))
        sync = await shutdown.enter(running_sources(settings, database))
        async with parts.mcp.lifespan(parts.mcp):
            yield Resources(
                parts.graph.reader,
                parts.graph.inventory,
                lambda: graph_transaction(database),
                lambda: what_is_missing(database),
                sync,
                parts.graph.topology,
                PostgresExports(database),
                lambda: FileSpool(database),
            )
    finally:
        try:
            await shutdown.run()
        finally:
            await database.close()


def _routes(lifespan: Lifespan[FastAPI], graph_size: MetricSource, mcp: ASGIApp) -> FastAPI:
    app = FastAPIOffline(
        title="Fleet: dependency graph",
        version=version("dependency-graph"),
        description="What every service depends on, and what breaks when it fails.",
        lifespan=lifespan,
        redirect_slashes=False,
        responses=PROBLEM_RESPONSES,
        swagger_ui_parameters={"persistAuthorization": True, "tryItOutEnabled": True},
    )
    install_problem_handlers(app, PROBLEMS)
    # Checked by AccessMiddleware before any route; here they tell Swagger UI what to ask for.
    keys = [
        Security(HTTPBearer(auto_error=False, description="An API key: `dependency-graph api-keys create`")),
        Security(APIKeyHeader(name="X-API-Key", auto_error=False)),
    ]
    # Sub-routes of a service come before the service itself, whose id may hold anything.
    of_a_service = (ingest, dependencies, impact, paths, services)
    for part in (*of_a_service, graph_export, circular_dependencies, mcp_servers, sync_api, traces):
        app.include_router(part.router, dependencies=keys)
    app.include_router(health.router)
    app.add_route("/metrics", metrics_endpoint(graph_size), include_in_schema=False)
    # Not mounted, as a mount would redirect from the path that clients are given.
    app.router.routes.append(Route(MCP_PATH, mcp))
    return app
