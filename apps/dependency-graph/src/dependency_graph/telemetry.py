"""What the service tells of itself while it runs, beside its log."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.pool_metrics import PoolMetrics
from dependency_graph.settings import Settings

if TYPE_CHECKING:
    from observability.tracing import Tracing

# What is asked every few seconds and tells nothing; and what we export ourselves, were it to ourselves.
UNTRACED = ("/livez", "/readyz", "/metrics", "/api/v1/health", "/api/v1/health/ready", "/v1/traces")


def tracing(settings: Settings) -> "Tracing | None":
    """Traces of the requests, if a collector is named that gets them."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    # Not before it is wanted, as it brings an SDK along.
    from observability.tracing import Tracing

    return Tracing(
        "dependency-graph",
        settings.otel_exporter_otlp_endpoint,
        settings.otel_trace_sample_rate,
        UNTRACED,
    )


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
