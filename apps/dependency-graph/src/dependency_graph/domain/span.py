"""Spans of traces, as far as they tell who calls whom."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from dependency_graph.domain.dependency import CommunicationMode, Pair
from dependency_graph.domain.errors import InvalidSpanId
from dependency_graph.domain.service import check_service_id

SpanId = tuple[bytes, bytes]
"""The id of a trace (16 bytes) and that of a span in it (8 bytes)."""

_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8


class SpanKind(IntEnum):
    """The kinds that are an end of a call, numbered as in OTLP; all others happen inside a service."""

    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


_CALLER = {SpanKind.CLIENT: CommunicationMode.SYNC, SpanKind.PRODUCER: CommunicationMode.ASYNC}
_CALLEE = {SpanKind.SERVER: CommunicationMode.SYNC, SpanKind.CONSUMER: CommunicationMode.ASYNC}


@dataclass(frozen=True, slots=True)
class Call:
    """A service that was seen to call another one."""

    pair: Pair
    communication_mode: CommunicationMode


@dataclass(frozen=True, slots=True)
class Half:
    """One end of a call: `span_id` is the caller's span at both ends, `service_id` the service at this one.

    The halves of a call agree in `span_id` and `communication_mode`.
    """

    span_id: SpanId
    communication_mode: CommunicationMode
    is_caller: bool
    service_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """One end of a call, as its service reports it.

    `causes` are the spans that a callee names as its callers: its parent, and of a consumer its links too.
    `database` is what a client span to a database calls. Raises InvalidSpanId, InvalidServiceId.
    """

    span_id: SpanId
    kind: SpanKind
    service_id: str
    causes: tuple[SpanId, ...] = ()
    database: str | None = None

    def __post_init__(self) -> None:
        check_service_id(self.service_id)
        for span_id in (self.span_id, *self.causes):
            _check(span_id)

    @property
    def call(self) -> Call | None:
        """The call of which this span alone tells both ends: databases report no spans of their own."""
        if self.kind is SpanKind.CLIENT and self.database is not None:
            return Call((self.service_id, self.database), CommunicationMode.SYNC)
        return None

    def halves(self) -> Iterator[Half]:
        """The ends of calls whose other end another span has to tell."""
        if mode := _CALLEE.get(self.kind):
            for cause in self.causes:
                yield Half(cause, mode, is_caller=False, service_id=self.service_id)
        elif self.call is None:
            yield Half(self.span_id, _CALLER[self.kind], is_caller=True, service_id=self.service_id)


def calls_between_services(calls: Iterable[Call]) -> dict[Pair, Call]:
    """One call for each pair of different services; where both modes were seen, the one that waits counts."""
    between = [call for call in calls if call.pair[0] != call.pair[1]]
    between.sort(key=lambda call: call.communication_mode is CommunicationMode.SYNC)
    return {call.pair: call for call in between}


def _check(span_id: SpanId) -> None:
    trace, span = span_id
    if len(trace) != _TRACE_ID_BYTES or len(span) != _SPAN_ID_BYTES or not any(trace) or not any(span):
        raise InvalidSpanId
