"""The one place that puts the server together."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TypedDict

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan

from fleet_metadata.api import health, metadata
from fleet_metadata.api.quick_answer import QuickAnswer
from fleet_metadata.api.token_guard import TokenGuard
from fleet_metadata.collection.board import Board
from fleet_metadata.mcp.server import PATH as MCP_PATH
from fleet_metadata.mcp.server import mcp_server
from fleet_metadata.settings import Settings
from mcp_endpoint import endpoint
from observability import TelemetryMiddleware, metrics_endpoint, traces_to
from problem_details import PROBLEM_RESPONSES
from problem_details.handlers import install_problem_handlers

# What is asked every few seconds and tells nothing.
_UNTRACED = ("/health", "/livez", "/readyz", "/metrics")


class State(TypedDict):
    board: Board


def create_app(settings: Settings, board: Board) -> ASGIApp:
    """The server as an ASGI app, which stops `board` at its end."""
    collector, sample_rate = settings.otel_exporter_otlp_endpoint, settings.otel_trace_sample_rate
    traces = traces_to(collector, "fleet-metadata", sample_rate, _UNTRACED)
    mcp = endpoint(mcp_server(board), MCP_PATH, settings.mcp_allowed_hosts)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
        if traces:
            traces.start()
        # What is there now stays; the collector need not look at it again and again.
        gc.freeze()
        # What is asked of others is on its way before somebody wants to know it.
        first = asyncio.create_task(board.read())
        try:
            async with mcp.lifespan(mcp):
                yield State(board=board)
        finally:
            first.cancel()
            await board.stop()
            if traces:
                await traces.stop()

    app: ASGIApp = QuickAnswer(_routes(lifespan, mcp), board)
    if settings.fleet_metadata_token:
        app = TokenGuard(app, settings.fleet_metadata_token.get_secret_value())
    return TelemetryMiddleware(app, traces, polled=True)


def _routes(lifespan: Lifespan[FastAPI], mcp: ASGIApp) -> FastAPI:
    app = FastAPIOffline(
        title="Fleet: workspace metadata",
        version=version("fleet-metadata"),
        description="What this workspace is doing right now.",
        lifespan=lifespan,
        redirect_slashes=False,
        responses=PROBLEM_RESPONSES,
        swagger_ui_parameters={"persistAuthorization": True, "tryItOutEnabled": True},
    )
    install_problem_handlers(app, {})
    # Checked by TokenGuard before any route; here it tells Swagger UI what to ask for.
    token = Security(HTTPBearer(auto_error=False, description="FLEET_METADATA_TOKEN, where one is set"))
    app.include_router(metadata.router, dependencies=[token])
    app.include_router(health.router)
    app.add_route("/metrics", metrics_endpoint(), include_in_schema=False)
    # Not mounted, as a mount would redirect from the path that clients are given.
    app.router.routes.append(Route(MCP_PATH, mcp))
    return app
