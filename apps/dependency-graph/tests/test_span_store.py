"""Halves of calls in PostgreSQL, where all processes meet."""

import asyncio
from collections.abc import Iterable, Sequence
from threading import get_ident

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spans import span_id
from sqlalchemy import text
from watched import Watched

from dependency_graph.domain.dependency import CommunicationMode
from dependency_graph.domain.span import Call, Half, Span, SpanId, SpanKind
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.span_store import PostgresOpenSpans

CALLER = Span(span_id(1), SpanKind.CLIENT, "a")
CALLEE = Span(span_id(2), SpanKind.SERVER, "b", (span_id(1),))
CALL = Call(("a", "b"), CommunicationMode.SYNC)


async def _meet(database: Database, *spans: Span) -> list[Call]:
    async with database.write() as connection:
        return await PostgresOpenSpans(connection).meet(_halves(spans))


def _halves(spans: Iterable[Span]) -> set[Half]:
    return {half for span in spans for half in span.halves()}


async def _age(database: Database, seconds: int) -> None:
    moved = "UPDATE graph.open_spans SET received_at = received_at - make_interval(secs => :seconds)"
    async with database.write() as connection:
        await connection.execute(text(moved), {"seconds": seconds})


async def _waiting(database: Database) -> set[str]:
    async with database.read() as connection:
        return {row[0] for row in await connection.execute(text("SELECT service_id FROM graph.open_spans"))}


@pytest.mark.parametrize("order", [(CALLER, CALLEE), (CALLEE, CALLER)])
async def test_either_half_may_come_first(database: Database, order: Sequence[Span]) -> None:
    assert await _meet(database, order[0]) == []
    assert await _meet(database, order[1]) == [CALL]


@pytest.mark.parametrize("order", [(CALLER, CALLEE), (CALLEE, CALLER)])
@pytest.mark.parametrize(("seconds", "found"), [(45, [CALL]), (61, [])])
async def test_halves_wait_for_a_minute(
    database: Database, order: Sequence[Span], seconds: int, found: list[Call]
) -> None:
    await _meet(database, order[0])
    await _age(database, seconds)
    assert await _meet(database, order[1]) == found
    assert await _waiting(database) == ({"a"} if found else {order[1].service_id})


async def test_a_half_that_comes_again_waits_anew(database: Database) -> None:
    for _ in range(2):
        await _meet(database, CALLER)
        await _age(database, 40)
    assert await _meet(database, CALLEE) == [CALL]


async def test_a_caller_meets_all_its_callees(database: Database) -> None:
    other = Span(span_id(3), SpanKind.SERVER, "c", (span_id(1),))
    await _meet(database, CALLER)
    assert await _meet(database, CALLEE) == [CALL]
    assert await _meet(database, other) == [Call(("a", "c"), CommunicationMode.SYNC)]
    assert await _waiting(database) == {"a"}


async def test_halves_of_other_traces_and_kinds_are_strangers(database: Database) -> None:
    await _meet(database, CALLER)
    elsewhere = Span(span_id(2), SpanKind.SERVER, "b", (span_id(1, trace=2),))
    consumer = Span(span_id(2), SpanKind.CONSUMER, "b", (span_id(1),))
    assert await _meet(database, elsewhere, consumer) == []


async def test_halves_are_written_out_off_the_event_loop(database: Database) -> None:
    halves = Watched(_halves([CALLER]))
    async with database.write() as connection:
        await PostgresOpenSpans(connection).meet(halves)
    assert await _waiting(database) == {"a"}
    assert halves.read_in
    assert get_ident() not in halves.read_in


async def test_what_is_not_committed_leaves_nothing(database: Database) -> None:
    async with database.engine.connect() as connection:
        await PostgresOpenSpans(connection).meet(_halves([CALLER]))
    assert await _waiting(database) == set()


async def test_halves_that_come_at_the_same_moment_do_not_miss_each_other(database: Database) -> None:
    async with database.write() as first:
        await PostgresOpenSpans(first).meet(_halves([CALLER]))
        second = asyncio.create_task(_meet(database, CALLEE))
        async with asyncio.timeout(60):
            while not await _is_someone_waiting(first_of=database):
                await asyncio.sleep(0.01)
    assert await second == [CALL]


async def _is_someone_waiting(first_of: Database) -> bool:
    other = Database(first_of.engine.url.render_as_string(hide_password=False), 1, 0)
    locks = (
        "SELECT count(*) FROM pg_locks JOIN pg_database AS here ON here.oid = pg_locks.database"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    async with other.read() as connection:
        waiting = (await connection.execute(text(locks))).scalar_one()
    await other.close()
    return waiting > 0


_MODES = {SpanKind.CLIENT: SpanKind.SERVER, SpanKind.PRODUCER: SpanKind.CONSUMER}


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """A trace in which each span may be caused by any that came before it."""
    spans: list[Span] = []
    for number in range(1, draw(st.integers(2, 12)) + 1):
        causes = draw(st.lists(st.integers(1, 12), max_size=3, unique=True))
        kind, service = draw(st.sampled_from(SpanKind)), draw(st.sampled_from("abcd"))
        named = causes if kind is SpanKind.CONSUMER else causes[:1]
        spans.append(Span(span_id(number), kind, service, tuple(span_id(cause) for cause in named)))
    return spans


def _oracle(trace: Sequence[Span]) -> set[tuple[str, str, SpanKind]]:
    by_id: dict[SpanId, Span] = {span.span_id: span for span in trace}
    return {
        (by_id[cause].service_id, span.service_id, span.kind)
        for span in trace
        for cause in span.causes
        if cause in by_id and _MODES.get(by_id[cause].kind) is span.kind
    }


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trace=traces(), data=st.data())
async def test_however_a_trace_is_sent_the_same_calls_are_found(
    database: Database, trace: list[Span], data: st.DataObject
) -> None:
    async with database.write() as connection:
        await connection.execute(text("TRUNCATE graph.open_spans"))
    found: set[tuple[str, str, SpanKind]] = set()
    rest = data.draw(st.permutations(trace))
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        calls = await _meet(database, *rest[:size])
        found |= {(*call.pair, _callee(call.communication_mode)) for call in calls}
        rest = rest[size:]
    assert found == _oracle(trace)


def _callee(mode: CommunicationMode) -> SpanKind:
    return SpanKind.SERVER if mode is CommunicationMode.SYNC else SpanKind.CONSUMER
