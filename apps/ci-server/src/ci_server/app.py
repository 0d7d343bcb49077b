"""The one place that knows every layer: it builds the service."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TypedDict

from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Lifespan

from api_access import Guard, create_engine, redis_url
from ci_server.api import artifacts, health, job, jobs, logs, stream, submissions
from ci_server.api.access_policy import access_policy
from ci_server.api.cut_off import CutOff
from ci_server.api.job_watches import JobWatches
from ci_server.api.problems import PROBLEMS
from ci_server.api.submitting import Intake
from ci_server.api.wiring import Resources
from ci_server.background import Background
from ci_server.queue_metrics import QueueMetrics
from ci_server.settings import Settings
from observability import MetricSource, TelemetryMiddleware, configure_logging, metrics_endpoint, traces_to
from problem_details import PROBLEM_RESPONSES
from problem_details.handlers import install_problem_handlers

# What is asked every few seconds and tells nothing.
_UNTRACED = ("/livez", "/readyz", "/metrics")


class State(TypedDict):
    resources: Resources


def create_app(settings: Settings | None = None, stopping: asyncio.Event | None = None) -> ASGIApp:
    """The service as an ASGI app; `settings` come from the environment unless given.

    Streams end once `stopping` is set, which whoever runs the app does when it is about to stop.
    """
    settings = settings or Settings()
    configure_logging(settings.log_level)
    background = Background(settings)
    collector, sample_rate = settings.otel_exporter_otlp_endpoint, settings.otel_trace_sample_rate
    traces = traces_to(collector, "ci-server", sample_rate, _UNTRACED)
    guard = _guard(settings, background)
    store, files = background.store, background.files
    watches = JobWatches(store, background.changes, files, stopping or asyncio.Event())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
        try:
            await background.start()
            watches.start()
            background.shutdown.add(watches.stop)
            if traces:
                traces.start()
                background.shutdown.add(traces.stop)
            intake = Intake.of(settings, store, files)
            yield State(resources=Resources(store, files, watches, intake, background.missing))
        finally:
            await background.stop()
            await answering.wait()

    routes = _routes(lifespan, QueueMetrics(store).collect)
    limits = {"submit": settings.rate_limit_submit, "read": settings.rate_limit_read}
    answering = CutOff(guard.before(routes, access_policy, limits))
    return TelemetryMiddleware(answering, traces)


def _guard(settings: Settings, background: Background) -> Guard:
    """On the keys in ACCESS_DATABASE_URL, or else in the database of the jobs."""
    own = create_engine(settings.access_database_url) if settings.access_database_url else None
    redis = redis_url(settings.redis_url, settings.redis_password)
    guard = Guard(own or background.database.engine, redis, "ci-server")

    async def stop() -> None:
        await guard.stop()
        if own:
            await own.dispose()

    background.shutdown.add(stop)
    return guard


def _routes(lifespan: Lifespan[FastAPI], queue: MetricSource) -> FastAPI:
    app = FastAPIOffline(
        title="Fleet: CI server",
        version=version("ci-server"),
        description="Runs the tests of a project in isolation, and streams what they print.",
        lifespan=lifespan,
        redirect_slashes=False,
        responses=PROBLEM_RESPONSES,
        swagger_ui_parameters={"persistAuthorization": True, "tryItOutEnabled": True},
    )
    install_problem_handlers(app, PROBLEMS)
    # Checked by the guard before any route; here they tell Swagger UI what to ask for.
    keys = [
        Security(HTTPBearer(auto_error=False, description="An API key: `ci-server users create`")),
        Security(APIKeyHeader(name="X-API-Key", auto_error=False)),
    ]
    for part in (submissions, jobs, job, stream, logs, artifacts):
        app.include_router(part.router, dependencies=keys)
    app.include_router(health.router)
    app.add_route("/metrics", metrics_endpoint(queue), include_in_schema=False)
    return app
