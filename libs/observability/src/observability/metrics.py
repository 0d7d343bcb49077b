import os
import tempfile
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Metric,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from observability.dead_workers import forget_dead_workers
from observability.exemplars import TracedHistogram, with_exemplars

MetricSource = Callable[[], Awaitable[Iterable[Metric]]]
"""Metrics that are found out when they are asked for, and are the same whichever process answers."""

requests_total = Counter("http_requests_total", "Requests answered", ["method", "route", "status"])
request_seconds = TracedHistogram(
    "http_request_duration_seconds",
    "Time from the first byte in to the last byte out",
    ["method", "route"],
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

_SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_OPENMETRICS = "application/openmetrics-text"


@contextmanager
def share_metrics_between_processes() -> Generator[None]:
    """Let worker processes started inside the context count into one sum.

    prometheus-client reads its folder from the environment when it is imported, so only processes
    started afterwards take part.
    """
    with tempfile.TemporaryDirectory(prefix="fleet-metrics-") as folder:
        os.environ[_SHARED_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_SHARED_FOLDER]


def metrics_endpoint(*sources: MetricSource) -> Callable[[Request], Awaitable[Response]]:
    """`GET /metrics`: all metrics of this service, summed over its worker processes, and those of `sources`.

    The answer is OpenMetrics, with exemplars, for who accepts that, else Prometheus's text.
    """

    async def answer(request: Request) -> Response:
        found = [metric for source in sources for metric in await source()]
        accepted = ",".join(request.headers.getlist("accept"))
        return await run_in_threadpool(_answer, found, _OPENMETRICS in accepted)

    return answer


def _answer(found: list[Metric], as_openmetrics: bool) -> Response:
    everything = _Everything(found)
    if as_openmetrics:
        return Response(openmetrics.generate_latest(everything), media_type=openmetrics.CONTENT_TYPE_LATEST)
    return Response(generate_latest(everything), media_type=CONTENT_TYPE_LATEST)


class _Everything(Collector):
    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        yield from with_exemplars(_registry().collect())
        yield from self._found


def _registry() -> CollectorRegistry:
    folder = os.environ.get(_SHARED_FOLDER)
    if folder is None:
        return REGISTRY
    forget_dead_workers(folder)
    registry = CollectorRegistry()
    collect: Callable[[CollectorRegistry], object] = MultiProcessCollector
    collect(registry)
    return registry
