"""Structured logs, request ids, Prometheus metrics and traces for ASGI apps.

Traces are in `observability.tracing`, which is imported only where they are wanted.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from observability.child_spans import child_span
    from observability.exemplars import TracedHistogram
    from observability.logs import configure_logging
    from observability.metrics import MetricSource, metrics_endpoint, share_metrics_between_processes
    from observability.telemetry import TelemetryMiddleware, traces_to

__all__ = [
    "MetricSource",
    "TelemetryMiddleware",
    "TracedHistogram",
    "child_span",
    "configure_logging",
    "metrics_endpoint",
    "share_metrics_between_processes",
    "traces_to",
]

_MODULES = {
    "MetricSource": "metrics",
    "TelemetryMiddleware": "telemetry",
    "TracedHistogram": "exemplars",
    "child_span": "child_spans",
    "configure_logging": "logs",
    "metrics_endpoint": "metrics",
    "share_metrics_between_processes": "metrics",
    "traces_to": "telemetry",
}


def __getattr__(name: str) -> object:
    # Loaded when it is asked for: a command that wants the redaction alone starts in half the time.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
