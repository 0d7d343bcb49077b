"""Exports of spans, as clients send them."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dependency_graph.domain.span import SpanId

TRACES = "http://graph/v1/traces"
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def span_id(number: int, trace: int = 1) -> SpanId:
    """The id of a span that bears that number."""
    return trace.to_bytes(16), number.to_bytes(8)


def told(
    kind: int,
    number: int,
    parent: int = 0,
    *,
    trace: int = 1,
    links: Sequence[SpanId] = (),
    attributes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A span in OTLP's JSON."""
    trace_id, own_id = span_id(number, trace)
    return {
        "traceId": trace_id.hex(),
        "spanId": own_id.hex(),
        "parentSpanId": parent.to_bytes(8).hex() if parent else "",
        "kind": kind,
        "startTimeUnixNano": "1544712660000000000",
        "links": [{"traceId": link[0].hex(), "spanId": link[1].hex()} for link in links],
        "attributes": texts(attributes or {}),
    }


def texts(attributes: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": text}} for key, text in attributes.items()]


def export(**spans: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An ExportTraceServiceRequest in JSON, with the spans of each service."""
    groups = [
        {"resource": {"attributes": texts({"service.name": service})}, "scopeSpans": [{"spans": list(of_it)}]}
        for service, of_it in spans.items()
    ]
    return {"resourceSpans": groups}


def protobuf(exported: dict[str, Any]) -> bytes:
    """The same in protobuf."""
    return ParseDict(_with_binary_ids(exported), ExportTraceServiceRequest()).SerializeToString()


def _with_binary_ids(value: Any) -> Any:
    match value:
        case dict():
            return {key: _binary(key, inner) for key, inner in value.items()}
        case list():
            return [_with_binary_ids(inner) for inner in value]
        case _:
            return value


def _binary(key: str, value: Any) -> Any:
    if key in ("traceId", "spanId", "parentSpanId"):
        return base64.b64encode(bytes.fromhex(value)).decode()
    return _with_binary_ids(value)
