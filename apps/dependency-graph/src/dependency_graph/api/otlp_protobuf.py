from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from dependency_graph.api.span_told import NotDecodable, SpanTold, Texts


def decode_protobuf(body: bytes) -> Iterator[SpanTold]:
    """The spans of an ExportTraceServiceRequest; raises NotDecodable."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise NotDecodable("The body is not an ExportTraceServiceRequest in protobuf.") from None
    for group in request.resource_spans:
        resource = _texts(group.resource.attributes)
        for span in (span for scope in group.scope_spans for span in scope.spans):
            yield SpanTold(
                resource,
                span.kind,
                span.trace_id,
                span.span_id,
                span.parent_span_id,
                [(link.trace_id, link.span_id) for link in span.links],
                _texts(span.attributes),
            )


def _texts(attributes: Iterable[KeyValue]) -> Texts:
    return {told.key: told.value.string_value for told in attributes if told.value.string_value}
