"""What the service tells of itself while it runs, beside its log."""

from typing import TYPE_CHECKING

from ci_server.settings import Settings

if TYPE_CHECKING:
    from observability.tracing import Tracing

# What is asked every few seconds and tells nothing.
UNTRACED = ("/livez", "/readyz", "/metrics")


def tracing(settings: Settings) -> "Tracing | None":
    """Traces of the requests, if a collector is named that gets them."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    # Not before it is wanted, as it brings an SDK along.
    from observability.tracing import Tracing

    return Tracing(
        "ci-server", settings.otel_exporter_otlp_endpoint, settings.otel_trace_sample_rate, UNTRACED
    )
