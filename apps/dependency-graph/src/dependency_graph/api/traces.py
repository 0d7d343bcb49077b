import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from dependency_graph.api.media_type import JSON, PROTOBUF
from dependency_graph.api.otlp import encode, receive
from dependency_graph.api.received_spans import ReceivedSpans, read_spans
from dependency_graph.api.wiring import Now, Service
from dependency_graph.application.pair_spans import pair_spans, to_the_minute

router = APIRouter()

_spans = Counter("traces_spans_total", "Spans received, by what became of them", ["result"])
_dependencies = Counter("traces_dependencies_total", "Dependencies that spans told the graph of")


class PartialSuccess(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    rejected_spans: str
    error_message: str


class ExportAnswer(BaseModel):
    """OTLP's ExportTraceServiceResponse; it is empty where no span was rejected."""

    model_config = ConfigDict(alias_generator=to_camel)

    partial_success: PartialSuccess | None = None


def _example(service: str, **span: Any) -> dict[str, Any]:
    name = {"key": "service.name", "value": {"stringValue": service}}
    span = {"traceId": "5b8efff798038103d269b633813fc60c"} | span
    return {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [span]}]}


_CALLER = _example("checkoutservice", spanId="eee19b7ec3c1b174", kind=3)
_CALLEE = _example("paymentservice", spanId="eee19b7ec3c1b173", parentSpanId="eee19b7ec3c1b174", kind=2)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
# In the JSON of protocol buffers null stands for none.
_PARTS = {"type": ["array", "null"], "items": {"type": "object"}}
_BODY = {
    "required": True,
    "description": "OTLP's ExportTraceServiceRequest, compressed with gzip or not",
    "content": {
        JSON: {
            "schema": {"type": "object", "properties": {"resourceSpans": _PARTS}},
            "example": {"resourceSpans": [_CALLER, _CALLEE]},
        },
        PROTOBUF: _BINARY,
    },
}


@router.post(
    "/v1/traces",
    responses={200: {"model": ExportAnswer, "content": {PROTOBUF: _BINARY}}},
    openapi_extra={"requestBody": _BODY},
    summary="Tell of dependencies by spans, over OTLP/HTTP",
    tags=["discovery"],
)
async def export_traces(request: Request, service: Service, now: Now) -> Response:
    """Find dependencies in spans, for teams with no collector.

    A client span makes a dependency with the server spans it is the parent of, a producer span with the
    consumer spans it is the parent of or that are linked to it; they may come up to 60 s apart, in any order.
    A client span to a database makes one alone. Spans without a usable `service.name` or id are rejected,
    and counted in the answer, which is in the media type of the body. Errors are problems.
    """
    body = await receive(request)
    received = await asyncio.to_thread(read_spans, body)
    if received.usable:
        async with service.transaction() as graph:
            told = await pair_spans(received.usable, graph, graph.open_spans, service.told_pairs, now)
        service.told_pairs.remember(told, to_the_minute(now))
        _dependencies.inc(len(told))
    _count(received)
    answer = encode(received.rejected.total(), received.why_rejected, body.media_type)
    return Response(answer, media_type=body.media_type)


def _count(received: ReceivedSpans) -> None:
    _spans.labels("used").inc(len(received.usable))
    _spans.labels("ignored").inc(received.ignored)
    _spans.labels("rejected").inc(received.rejected.total())
