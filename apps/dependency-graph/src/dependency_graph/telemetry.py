"""What the service tells of itself while it runs, beside its log."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.pool_metrics import PoolMetrics
from dependency_graph.settings import Settings
from observability import traces_to

if TYPE_CHECKING:
    from observability.tracing import Tracing

SERVICE = "dependency-graph"
# What is asked every few seconds and tells nothing; and what we export ourselves, were it to ourselves.
UNTRACED = ("/livez", "/readyz", "/metrics", "/api/v1/health", "/api/v1/health/ready", "/v1/traces")


def tracing(settings: Settings) -> "Tracing | None":
    """Traces of the requests, if a collector is named that gets them."""
    collector, sample_rate = settings.otel_exporter_otlp_endpoint, settings.otel_trace_sample_rate
    return traces_to(collector, SERVICE, sample_rate, UNTRACED)


@asynccontextmanager
async def telling(traces: "Tracing | None", database: Database) -> AsyncGenerator[None]:
    """Inside, traces are sent and connections counted. The end takes 2 s at the most."""
    pool = PoolMetrics(database.engine)
    pool.start()
    if traces:
        traces.start()
    yield
    await pool.stop()
    if traces:
        await traces.stop()
