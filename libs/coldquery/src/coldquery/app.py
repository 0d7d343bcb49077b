"""The one place that puts the server together."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, TypedDict

from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan

from coldquery.api import health, tools
from coldquery.audit import LoggedAudit
from coldquery.connections.owner import Connections
from coldquery.health import what_is_missing
from coldquery.key_guard import KeyGuard
from coldquery.mcp.registered import REGISTRY
from coldquery.mcp.registry import Registry
from coldquery.mcp.server import PATH, Service, mcp_app
from coldquery.settings import Settings
from observability import TelemetryMiddleware, metrics_endpoint, traces_to
from problem_details import PROBLEM_RESPONSES
from problem_details.handlers import install_problem_handlers

# What is asked every few seconds and tells nothing.
_UNTRACED = ("/livez", "/readyz", "/metrics")


class State(TypedDict):
    registry: Registry
    missing: Callable[[], Awaitable[Sequence[str]]]


def service_on(connect: Mapping[str, Any], settings: Settings) -> Service:
    """What the tools work with, on the database at `connect`, the arguments of `asyncpg.connect`."""
    limits = settings.limits()
    return Service(Connections(connect, limits), limits, LoggedAudit())


def create_app(settings: Settings, connect: Mapping[str, Any]) -> ASGIApp:
    """The server as an ASGI app on the database at `connect`, the arguments of `asyncpg.connect`."""
    collector, sample_rate = settings.otel_exporter_otlp_endpoint, settings.otel_trace_sample_rate
    traces = traces_to(collector, "coldquery", sample_rate, _UNTRACED)
    guard, service = KeyGuard(settings), service_on(connect, settings)
    mcp = mcp_app(service, REGISTRY, settings.mcp_allowed_hosts)

    async def missing() -> Sequence[str]:
        return await what_is_missing(service, guard)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
        if traces:
            traces.start()
        try:
            await service.connections.start()
            async with mcp.lifespan(mcp):
                yield State(registry=REGISTRY, missing=missing)
        finally:
            await service.connections.stop()
            await guard.stop()
            if traces:
                await traces.stop()

    return TelemetryMiddleware(guard.before(_routes(lifespan, mcp)), traces)


def _routes(lifespan: Lifespan[FastAPI], mcp: ASGIApp) -> FastAPI:
    app = FastAPIOffline(
        title="Fleet: ColdQuery",
        version=version("coldquery"),
        description="PostgreSQL for agents, over MCP at `/mcp`. It reads, unless a call says that it writes.",
        lifespan=lifespan,
        redirect_slashes=False,
        responses=PROBLEM_RESPONSES,
        swagger_ui_parameters={"persistAuthorization": True, "tryItOutEnabled": True},
    )
    install_problem_handlers(app, {})
    # Checked by the guard before any route; here they tell Swagger UI what to ask for.
    keys = [
        Security(HTTPBearer(auto_error=False, description="An API key: `coldquery api-keys create`")),
        Security(APIKeyHeader(name="X-API-Key", auto_error=False)),
    ]
    app.include_router(tools.router, dependencies=keys)
    app.include_router(health.router)
    app.add_route("/metrics", metrics_endpoint(), include_in_schema=False)
    # Not mounted, as a mount would redirect from the path that clients are given.
    app.router.routes.append(Route(PATH, mcp))
    return app
