from dataclasses import replace
from datetime import datetime, timedelta
from threading import get_ident

import pytest
from factories import NOON
from fakes import MemoryGraph, MemoryOpenSpans
from spans import span_id
from watched import Watched

from dependency_graph.application import pair_spans as module
from dependency_graph.application.pair_spans import ToldPairs, pair_spans, to_the_minute
from dependency_graph.domain.dependency import CommunicationMode, Pair
from dependency_graph.domain.service import ServiceType
from dependency_graph.domain.span import Span, SpanKind

CALLER = Span(span_id(1), SpanKind.CLIENT, "a")
CALLEE = Span(span_id(2), SpanKind.SERVER, "b", (span_id(1),))
QUERY = Span(span_id(3), SpanKind.CLIENT, "a", database="orders")


class _Process:
    """One process that takes in spans, and whose transactions all commit."""

    def __init__(self, graph: MemoryGraph, open_spans: MemoryOpenSpans) -> None:
        self.graph, self.open_spans = graph, open_spans
        self.told = ToldPairs()

    async def take(self, *spans: Span, at: datetime = NOON) -> list[Pair]:
        told = await pair_spans(spans, self.graph, self.open_spans, self.told, at)
        self.told.remember(told, to_the_minute(at))
        return told


@pytest.fixture
def process() -> _Process:
    return _Process(MemoryGraph(), MemoryOpenSpans())


async def test_two_halves_make_a_dependency_seen_in_this_minute(process: _Process) -> None:
    at = NOON + timedelta(seconds=59.9)
    assert await process.take(CALLEE, at=at) == []
    assert process.graph.known_dependencies == {}
    assert await process.take(CALLER, at=at) == [("a", "b")]
    [row] = process.graph.known_dependencies.values()
    assert (row.pair, row.discovery_source, row.last_observed_at) == (("a", "b"), "otel_service_graph", NOON)
    assert (row.traffic, row.attributes.communication_mode) == (None, CommunicationMode.SYNC)


async def test_messages_are_asynchronous(process: _Process) -> None:
    producer = Span(span_id(1), SpanKind.PRODUCER, "a")
    consumer = Span(span_id(2), SpanKind.CONSUMER, "b", (span_id(1),))
    await process.take(producer, consumer)
    [row] = process.graph.known_dependencies.values()
    assert row.attributes.communication_mode is CommunicationMode.ASYNC


async def test_a_database_is_called_by_one_span_and_known_as_one(process: _Process) -> None:
    await process.take(QUERY)
    assert process.graph.known_services["orders"].service_type is ServiceType.DATABASE
    assert process.graph.known_services["a"].service_type is ServiceType.INTERNAL
    assert process.open_spans.asked == 0


async def test_a_service_with_a_database_of_its_own_name_is_no_database(process: _Process) -> None:
    caller, callee = replace(CALLER, service_id="frontend"), replace(CALLEE, service_id="orders")
    own_query = Span(span_id(3), SpanKind.CLIENT, "orders", database="orders")
    await process.take(caller, callee, own_query)
    await process.take(caller, callee, own_query, QUERY, at=NOON + timedelta(minutes=1))
    assert process.graph.known_services["orders"].service_type is ServiceType.INTERNAL


async def test_a_service_whose_own_half_waited_is_no_database(process: _Process) -> None:
    await process.take(replace(CALLEE, service_id="orders"))
    await process.take(CALLER, QUERY)
    assert process.graph.known_services["orders"].service_type is ServiceType.INTERNAL


async def test_what_is_known_to_call_a_service_is_no_database(process: _Process) -> None:
    await process.take(replace(CALLER, service_id="orders"), CALLEE)
    await process.take(QUERY)
    assert process.graph.known_services["orders"].service_type is ServiceType.INTERNAL


async def test_a_placeholder_that_calls_nobody_becomes_a_database(process: _Process) -> None:
    await process.take(CALLER, replace(CALLEE, service_id="orders"))
    await process.take(QUERY, at=NOON + timedelta(minutes=1))
    assert process.graph.known_services["orders"].service_type is ServiceType.DATABASE


async def test_spans_are_taken_apart_off_the_event_loop(process: _Process) -> None:
    spans = Watched([CALLER, CALLEE])
    assert await pair_spans(spans, process.graph, process.open_spans, process.told, NOON) == [("a", "b")]
    assert spans.read_in
    assert get_ident() not in spans.read_in


async def test_what_was_told_in_this_minute_is_not_told_again(process: _Process) -> None:
    assert await process.take(CALLER, CALLEE, QUERY) == [("a", "orders"), ("a", "b")]
    assert await process.take(CALLER, CALLEE, QUERY) == []
    later = NOON + timedelta(minutes=1)
    assert await process.take(CALLEE, at=later) == [("a", "b")]
    assert {row.observations for row in process.graph.known_dependencies.values()} == {1, 2}


async def test_what_another_process_told_in_this_minute_changes_nothing(process: _Process) -> None:
    await process.take(CALLER, CALLEE)
    generation = process.graph.generation.value
    other = _Process(process.graph, process.open_spans)
    assert await other.take(CALLEE) == [("a", "b")]
    assert process.graph.generation.value == generation


async def test_what_was_not_committed_is_told_again(process: _Process) -> None:
    for _ in range(2):
        told = await pair_spans([CALLER, CALLEE], process.graph, process.open_spans, process.told, NOON)
        assert told == [("a", "b")]


async def test_a_call_of_the_service_itself_is_no_dependency(process: _Process) -> None:
    assert await process.take(CALLER, Span(span_id(2), SpanKind.SERVER, "a", (span_id(1),))) == []
    assert process.graph.known_services == {}


def test_what_is_remembered_has_an_end() -> None:
    told = ToldPairs()
    pairs = [("a", str(number)) for number in range(module.MOST_REMEMBERED + 1)]
    told.remember(pairs, NOON)
    assert told.untold(pairs, NOON) == pairs[-1:]
    assert told.untold(pairs, NOON + timedelta(minutes=1)) == pairs
