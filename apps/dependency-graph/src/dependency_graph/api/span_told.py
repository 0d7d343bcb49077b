from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dependency_graph.domain.errors import InvalidServiceId
from dependency_graph.domain.service import check_service_id
from dependency_graph.domain.span import Span, SpanId, SpanKind
from problem_details import Fault, Problem

_KINDS = frozenset(SpanKind)

Texts = Mapping[str, str]
"""Those attributes that are texts, and not empty."""


class SpanTold(NamedTuple):
    """A span as it was sent, in one encoding or the other; nothing of it is checked.

    `links` are ids of traces and of spans in them.
    """

    resource: Texts
    kind: int
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    links: list[tuple[bytes, bytes]]
    attributes: Texts

    def as_span(self) -> Span | None:
        """What it tells of a call, None if it is about none; raises InvalidSpanId, InvalidServiceId."""
        if self.kind not in _KINDS:
            return None
        kind = SpanKind(self.kind)
        return Span(
            (self.trace_id, self.span_id),
            kind,
            self.resource.get("service.name", ""),
            tuple(self._causes(kind)),
            _database(self.attributes) if kind is SpanKind.CLIENT else None,
        )

    def _causes(self, kind: SpanKind) -> Iterable[SpanId]:
        # Some exporters write the parent that a root has not as zeros.
        if any(self.parent_span_id) and kind in (SpanKind.SERVER, SpanKind.CONSUMER):
            yield self.trace_id, self.parent_span_id
        if kind is SpanKind.CONSUMER:
            yield from self.links


class NotDecodable(Problem):
    """The body is not what its headers announce; `errors` say where."""

    def __init__(self, detail: str, errors: Iterable[Fault] = ()) -> None:
        super().__init__(400, "Body not decodable", detail, slug="body-not-decodable", errors=list(errors))


def _database(attributes: Texts) -> str | None:
    """What a client span calls if that is a database, in the semantic conventions of now or of before 1.28."""
    system = attributes.get("db.system.name") or attributes.get("db.system")
    if not system:
        return None
    names = (attributes.get(name, "") for name in ("peer.service", "db.namespace", "db.name"))
    return next(filter(_is_service_id, names), None) or check_service_id(system)


def _is_service_id(text: str) -> bool:
    try:
        return bool(check_service_id(text))
    except InvalidServiceId:
        return False
