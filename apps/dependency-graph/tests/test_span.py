import pytest
from spans import span_id

from dependency_graph.domain.dependency import CommunicationMode
from dependency_graph.domain.errors import InvalidServiceId, InvalidSpanId
from dependency_graph.domain.span import Call, Half, Span, SpanId, SpanKind, calls_between_services

SYNC, ASYNC = CommunicationMode.SYNC, CommunicationMode.ASYNC


@pytest.mark.parametrize(("kind", "mode"), [(SpanKind.CLIENT, SYNC), (SpanKind.PRODUCER, ASYNC)])
def test_a_caller_is_known_by_its_own_span(kind: SpanKind, mode: CommunicationMode) -> None:
    halves = Span(span_id(7), kind, "a", (span_id(1),)).halves()
    assert list(halves) == [Half(span_id(7), mode, is_caller=True, service_id="a")]


@pytest.mark.parametrize(("kind", "mode"), [(SpanKind.SERVER, SYNC), (SpanKind.CONSUMER, ASYNC)])
def test_a_callee_is_known_by_each_span_that_caused_it(kind: SpanKind, mode: CommunicationMode) -> None:
    causes = (span_id(1), span_id(2, trace=9))
    halves = Span(span_id(7), kind, "b", causes).halves()
    assert list(halves) == [Half(cause, mode, is_caller=False, service_id="b") for cause in causes]


def test_a_callee_without_a_cause_has_no_caller() -> None:
    assert list(Span(span_id(7), SpanKind.SERVER, "b").halves()) == []


def test_a_client_of_a_database_tells_the_whole_call() -> None:
    span = Span(span_id(7), SpanKind.CLIENT, "a", database="orders")
    assert span.call == Call(("a", "orders"), SYNC)
    assert list(span.halves()) == []
    assert Span(span_id(7), SpanKind.CLIENT, "a").call is None
    assert Span(span_id(7), SpanKind.PRODUCER, "a", database="orders").call is None


@pytest.mark.parametrize(
    "wrong",
    [
        (bytes(15) + b"1" * 2, b"1" * 8),
        (b"1" * 15, b"1" * 8),
        (b"1" * 16, b"1" * 7),
        (b"1" * 16, b"1" * 9),
        (bytes(16), b"1" * 8),
        (b"1" * 16, bytes(8)),
        (b"", b""),
    ],
)
def test_ids_of_another_length_and_of_zeros_are_refused(wrong: SpanId) -> None:
    with pytest.raises(InvalidSpanId):
        Span(wrong, SpanKind.CLIENT, "a")
    with pytest.raises(InvalidSpanId):
        Span(span_id(1), SpanKind.SERVER, "a", (wrong,))


def test_a_service_needs_a_name() -> None:
    with pytest.raises(InvalidServiceId):
        Span(span_id(1), SpanKind.CLIENT, "")


def test_a_service_does_not_call_itself() -> None:
    assert calls_between_services([Call(("a", "a"), SYNC)]) == {}


@pytest.mark.parametrize("modes", [(SYNC, ASYNC), (ASYNC, SYNC)])
def test_of_two_modes_the_one_that_waits_counts(modes: tuple[CommunicationMode, CommunicationMode]) -> None:
    calls = [Call(("a", "b"), mode) for mode in modes]
    assert calls_between_services(calls) == {("a", "b"): Call(("a", "b"), SYNC)}
