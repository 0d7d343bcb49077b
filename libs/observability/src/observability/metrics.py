import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from starlette.requests import Request
from starlette.responses import Response

requests_total = Counter("http_requests_total", "Requests answered", ["method", "route", "status"])
request_seconds = Histogram(
    "http_request_duration_seconds",
    "Time from the first byte in to the last byte out",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

_SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


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


def metrics_endpoint(_request: Request) -> Response:
    """`GET /metrics`: all metrics of this service, summed over its worker processes."""
    return Response(generate_latest(_registry()), media_type=CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    if _SHARED_FOLDER not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    collect: Callable[[CollectorRegistry], object] = multiprocess.MultiProcessCollector
    collect(registry)
    return registry
