"""Structured logs, request ids, Prometheus metrics and traces for ASGI apps.

Traces are in `observability.tracing`, which is imported only where they are wanted.
"""

from observability.child_spans import child_span
from observability.exemplars import TracedHistogram
from observability.logs import configure_logging
from observability.metrics import MetricSource, metrics_endpoint, share_metrics_between_processes
from observability.telemetry import TelemetryMiddleware

__all__ = [
    "MetricSource",
    "TelemetryMiddleware",
    "TracedHistogram",
    "child_span",
    "configure_logging",
    "metrics_endpoint",
    "share_metrics_between_processes",
]
