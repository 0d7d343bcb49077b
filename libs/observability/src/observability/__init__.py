"""Structured logs, request ids and Prometheus metrics for ASGI apps."""

from observability.logs import configure_logging
from observability.metrics import metrics_endpoint, share_metrics_between_processes
from observability.telemetry import TelemetryMiddleware

__all__ = [
    "TelemetryMiddleware",
    "configure_logging",
    "metrics_endpoint",
    "share_metrics_between_processes",
]
