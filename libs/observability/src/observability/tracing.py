"""Traces by OTLP. Only who traces imports this module, as it brings the SDK of OpenTelemetry along."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from random import random
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind
from prometheus_client import Counter
from starlette.types import Scope

from observability.log_filters import Seldom
from observability.server_span import ServerSpan, remote_context
from observability.trace_context import TraceParent, within_parent

FLUSH_SECONDS = 2.0
_QUEUED_SPANS = 2048
_SECONDS_BETWEEN_COMPLAINTS = 300.0

# Of a collector that is away, of a queue that is full, of what clients write into their headers.
_COMPLAINERS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.trace.span",
)

_exported = Counter("otlp_exported_spans", "Spans sent to the collector, or lost as it took none", ["result"])


class Tracing:
    """Sends the spans of requests to a collector; `start` it before the first request, and `stop` it.

    `endpoint` is the URL of the collector without `/v1/traces`. Of the requests that belong to no trace yet,
    the part `sample_rate` (0 to 1) is recorded; of others those that their caller records. `untraced` are
    paths of which no spans are made. Nothing waits for the collector: while it is away spans are dropped,
    which a metric counts and a log line tells every five minutes.

    Further headers and attributes are taken from `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES` and
    so on, by the SDK.
    """

    def __init__(
        self, service_name: str, endpoint: str, sample_rate: float, untraced: Collection[str] = ()
    ) -> None:
        self._resource = Resource.create({"service.name": service_name}).merge(
            OTELResourceDetector().detect()
        )
        self._endpoint = f"{endpoint.rstrip('/')}/v1/traces"
        self._sample_rate = sample_rate
        self._untraced = frozenset(untraced)

    def start(self) -> None:
        """Start the thread that sends; in the process that traces, after any fork."""
        for name in _COMPLAINERS:
            # In place of the filter that a start before may have left there.
            logging.getLogger(name).filters = [Seldom(_SECONDS_BETWEEN_COMPLAINTS)]
        self._exporter = _CountingExporter(self._endpoint)
        self._provider = TracerProvider(ALWAYS_ON, self._resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter, max_queue_size=_QUEUED_SPANS))
        self._tracer = self._provider.get_tracer("observability")

    async def stop(self) -> None:
        """Send what is queued, for at most `FLUSH_SECONDS`; what is left then is lost."""
        flush = Thread(target=self._provider.shutdown, daemon=True)
        flush.start()
        await asyncio.to_thread(flush.join, FLUSH_SECONDS)
        if flush.is_alive():
            self._exporter.shutdown()

    def server_span(
        self, scope: Scope, parent: TraceParent | None
    ) -> AbstractContextManager[ServerSpan | None]:
        """The span of a request, which is answered inside; None where it is not recorded."""
        # What the sampler ParentBasedTraceIdRatio decides, in a tenth of its time.
        recorded = parent.sampled if parent else random() < self._sample_rate
        if not recorded or scope["path"] in self._untraced:
            return within_parent(parent)
        span = self._tracer.start_span("request", remote_context(scope, parent), SpanKind.SERVER)
        return ServerSpan(span, self._tracer, scope).recording()


class _CountingExporter(OTLPSpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        _exported.labels("sent" if result is SpanExportResult.SUCCESS else "lost").inc(len(spans))
        return result
