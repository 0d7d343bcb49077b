"""OTLP in JSON, which is not quite protobuf's own: ids are in hex, kinds are numbers.

See https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
"""

from binascii import unhexlify
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, FailFast, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from dependency_graph.api.span_told import NotDecodable, SpanTold, Texts
from problem_details import Fault

_NOT_AN_ID = b"\xff"


def decode_json(body: bytes) -> Iterator[SpanTold]:
    """The spans of an ExportTraceServiceRequest; raises NotDecodable."""
    try:
        request = _REQUEST.validate_json(body)
    except ValidationError as error:
        faults = [Fault(_pointer(found["loc"]), found["msg"]) for found in error.errors()]
        detail = f"The body is not an ExportTraceServiceRequest in JSON: {faults[0].path}: {faults[0].reason}"
        raise NotDecodable(detail, faults) from None
    for group in request.resource_spans or ():
        resource = _texts(group.resource and group.resource.attributes)
        for span in (span for scope in group.scope_spans or () for span in scope.spans or ()):
            yield SpanTold(
                resource,
                span.kind or 0,
                _id(span.trace_id),
                _id(span.span_id),
                _id(span.parent_span_id),
                [(_id(link.trace_id), _id(link.span_id)) for link in span.links or ()],
                _texts(span.attributes),
            )


class _Part:
    """Named in JSON as protobuf does it. Unknown fields are ignored, and null is as good as absent."""

    __pydantic_config__ = ConfigDict(alias_generator=to_camel, extra="ignore")


# Plain classes with slots: a body of 10 MiB may hold millions of empty objects. The first fault is enough
# for the same reason.
@dataclass(slots=True)
class _Value(_Part):
    string_value: str | None = None


@dataclass(slots=True)
class _Attribute(_Part):
    key: str | None = None
    value: _Value | None = None


_Attributes = Annotated[list[_Attribute] | None, FailFast()]


@dataclass(slots=True)
class _Link(_Part):
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(slots=True)
class _Span(_Part):
    kind: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    links: Annotated[list[_Link] | None, FailFast()] = None
    attributes: _Attributes = None


@dataclass(slots=True)
class _ScopeSpans(_Part):
    spans: Annotated[list[_Span] | None, FailFast()] = None


@dataclass(slots=True)
class _Resource(_Part):
    attributes: _Attributes = None


@dataclass(slots=True)
class _ResourceSpans(_Part):
    resource: _Resource | None = None
    scope_spans: Annotated[list[_ScopeSpans] | None, FailFast()] = None


@dataclass(slots=True)
class _Request(_Part):
    resource_spans: Annotated[list[_ResourceSpans] | None, FailFast()] = None


_REQUEST = TypeAdapter(_Request)


def _id(text: str | None) -> bytes:
    try:
        return unhexlify(text or "")
    except ValueError:
        return _NOT_AN_ID


def _texts(attributes: Iterable[_Attribute] | None) -> Texts:
    told = ((told.key, told.value and told.value.string_value) for told in attributes or ())
    return {key: text for key, text in told if key and text}


def _pointer(location: Iterable[int | str]) -> str:
    return "".join(f"/{part}" for part in ("body", *location))
