"""The sources that are run on a schedule or by request, as the settings have them: one entry for each."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx

from dependency_graph.application.discover import discover
from dependency_graph.application.mark_stale import mark_stale
from dependency_graph.application.mcp_inventory import take_registry, take_workloads
from dependency_graph.application.ports import Toolhive
from dependency_graph.application.sync import Changes, Source, Sync, Transaction
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.leadership import Leadership
from dependency_graph.infrastructure.prometheus_source import PrometheusAccess, PrometheusSource
from dependency_graph.infrastructure.schedule import Schedule
from dependency_graph.infrastructure.sync_metrics import count_run
from dependency_graph.infrastructure.sync_runs import PostgresSyncRuns
from dependency_graph.infrastructure.toolhive_source import ToolhiveSource, Wanted
from dependency_graph.settings import Settings
from toolhive_client import KubernetesClient, ToolhiveClient

# At the first start, so that discovery has a chance to see what a restored database has not seen for long.
_FIRST_STALENESS_AFTER = timedelta(minutes=10)


def sources(settings: Settings, toolhive: Toolhive) -> list[Source]:
    return [
        _otel_service_graph(settings),
        _staleness(settings),
        _toolhive_workloads(settings, toolhive),
        _toolhive_registry(settings, toolhive),
    ]


@asynccontextmanager
async def running_sources(settings: Settings, database: Database) -> AsyncGenerator[Sync]:
    """The sources, which are run on schedule by whichever process is elected, as long as the context lasts."""
    async with _toolhive(settings) as toolhive:
        sync = Sync(sources(settings, toolhive), PostgresSyncRuns(database), count_run)
        leadership = Leadership(database, Schedule(sync))
        leadership.start()
        try:
            yield sync
        finally:
            await leadership.stop()
            await sync.stop()


@asynccontextmanager
async def _toolhive(settings: Settings) -> AsyncGenerator[ToolhiveSource]:
    async with AsyncExitStack() as clients:
        toolhive = await clients.enter_async_context(ToolhiveClient(settings.toolhive_url))
        kubernetes = None
        if settings.runtime_mode == "k8s":
            kubernetes = await clients.enter_async_context(KubernetesClient(settings.k8s_api_server_url))
        yield ToolhiveSource(
            toolhive, kubernetes, Wanted(set(settings.skipped_workloads), set(settings.allowed_groups))
        )


def _otel_service_graph(settings: Settings) -> Source:
    minutes = settings.otel_graph_ingest_interval_minutes
    prometheus = PrometheusSource(_access(settings), settings.otel_graph_metrics_prefix, minutes)

    async def run(transaction: Transaction) -> Changes:
        return await discover(prometheus, transaction, datetime.now(UTC))

    missing = (
        None if settings.prometheus_url else "PROMETHEUS_URL is not set; set it to have Prometheus asked."
    )
    return Source("otel_service_graph", timedelta(minutes=minutes), run, missing)


def _staleness(settings: Settings) -> Source:
    unseen_for = timedelta(hours=settings.stale_edge_threshold_hours)

    async def run(transaction: Transaction) -> Changes:
        async with transaction() as graph:
            marked = await mark_stale(graph, unseen_for, datetime.now(UTC))
        return {"dependencies_marked_stale": marked.dependencies, "generation": marked.generation}

    return Source("staleness", timedelta(days=1), run, first_after=_FIRST_STALENESS_AFTER)


def _toolhive_workloads(settings: Settings, toolhive: Toolhive) -> Source:
    # Often enough that what is seen each time never gets stale, and seldom enough to write next to nothing.
    renewed_after = timedelta(hours=settings.stale_edge_threshold_hours) / 2

    async def run(transaction: Transaction) -> Changes:
        return await take_workloads(toolhive, transaction, datetime.now(UTC), renewed_after)

    return Source("toolhive_workloads", timedelta(seconds=settings.workload_polling_interval), run)


def _toolhive_registry(settings: Settings, toolhive: Toolhive) -> Source:
    async def run(transaction: Transaction) -> Changes:
        return await take_registry(toolhive, transaction)

    missing = None
    if settings.runtime_mode == "k8s" and settings.toolhive_url is None:
        missing = "TOOLHIVE_URL is not set; with RUNTIME_MODE=k8s set it to a ToolHive that has the registry."
    return Source(
        "toolhive_registry",
        timedelta(seconds=settings.registry_polling_interval),
        run,
        missing,
        # A ToolHive that comes is asked as soon as for its workloads.
        longest_backoff=timedelta(seconds=settings.workload_polling_interval),
    )


def _access(settings: Settings) -> PrometheusAccess:
    token, password = settings.prometheus_bearer_token, settings.prometheus_password
    auth = None
    if settings.prometheus_username:
        auth = httpx.BasicAuth(settings.prometheus_username, password.get_secret_value() if password else "")
    return PrometheusAccess(
        settings.prometheus_url or "",
        settings.prometheus_timeout_seconds,
        auth,
        token.get_secret_value() if token else None,
    )
