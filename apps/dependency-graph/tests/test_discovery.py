from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime

import pytest
from factories import NOON, later
from fakes import MemoryGraph
from hypothesis import given
from hypothesis import strategies as st

from dependency_graph.application.discover import discover, observed_batch
from dependency_graph.application.ingest import Edge
from dependency_graph.application.ports import Connection, Graph, ServiceGraph
from dependency_graph.domain.dependency import CommunicationMode, DiscoverySource, Traffic
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.service import ServiceType

A_TO_B = ("a", "b", "")


class _Seen:
    def __init__(self, *connections: Connection, warnings: tuple[str, ...] = ()) -> None:
        self._graph = ServiceGraph(connections, warnings)

    async def observe(self, at: datetime) -> ServiceGraph:
        if not self._graph.connections:
            raise SourceFailed("nothing there")
        return self._graph


@pytest.fixture
def graph() -> MemoryGraph:
    return MemoryGraph()


@pytest.fixture
def transaction(graph: MemoryGraph) -> Callable[[], AbstractAsyncContextManager[Graph]]:
    @asynccontextmanager
    async def entered() -> AsyncGenerator[Graph]:
        yield graph

    return entered


def _edge(*connections: Connection) -> Edge:
    [edge] = observed_batch(connections, NOON).edges
    return edge


def test_rates_error_ratio_and_p95_land_on_the_edge() -> None:
    edge = _edge(Connection(*A_TO_B, request_rate=10, failed_rate=1, p95_ms=38))
    assert edge.traffic == Traffic(10, 0.1, 38)


def test_connection_types_of_one_pair_are_merged() -> None:
    calls = Connection("a", "b", "", request_rate=30, failed_rate=3, p95_ms=20)
    messages = Connection("a", "b", "messaging_system", request_rate=10, failed_rate=5, p95_ms=90)
    edge = _edge(messages, calls)
    assert edge.traffic == Traffic(40, 0.2, 90)
    assert edge.attributes.communication_mode is CommunicationMode.SYNC
    assert _edge(messages).attributes.communication_mode is CommunicationMode.ASYNC


def test_what_cannot_be_told_of_one_connection_type_takes_nothing_from_the_other() -> None:
    new = Connection("a", "b", "database", None, None, None)
    assert _edge(new, Connection(*A_TO_B, 4, 1, 7)).traffic == Traffic(4, 0.25, 7)
    assert _edge(new).traffic == Traffic(None, None, None)
    assert _edge(Connection(*A_TO_B, 4, None, None)).traffic == Traffic(4, None, None)


def test_without_requests_there_is_no_error_ratio() -> None:
    assert _edge(Connection(*A_TO_B, 0, 0, None)).traffic == Traffic(0, None, None)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_error_ratio_is_never_outside_of_0_to_1(requests: float, failed: float) -> None:
    traffic = _edge(Connection(*A_TO_B, requests, failed, None)).traffic
    assert traffic
    assert traffic.error_rate is None or 0 <= traffic.error_rate <= 1
    assert (traffic.error_rate is None) == (requests == 0)


def test_types_are_hinted_where_the_metrics_tell_them() -> None:
    hints = observed_batch(
        [
            Connection("user", "shop", "virtual_node"),
            Connection("shop", "unknown", "virtual_node"),
            Connection("shop", "stock-db", "database"),
            Connection("shop", "orders", "database"),
            Connection("orders", "shop", ""),
        ],
        NOON,
    ).hints
    # A database named like the service that owns it does not make that a database.
    assert hints == {
        "user": ServiceType.EXTERNAL,
        "unknown": ServiceType.EXTERNAL,
        "stock-db": ServiceType.DATABASE,
    }


async def test_a_run_stores_what_was_seen_and_tells_how_much(
    graph: MemoryGraph, transaction: Callable[[], AbstractAsyncContextManager[Graph]]
) -> None:
    source = _Seen(Connection(*A_TO_B, 2, 1, 3), Connection("b", "a", ""), warnings=("w",))
    assert await discover(source, transaction, NOON) == {
        "dependencies_seen": 2,
        "services_upserted": 2,
        "dependencies_upserted": 2,
        "cycles_found": 1,
        "skipped": 0,
        "generation": 1,
        "warnings": ["w", "2 unknown services were created as placeholders"],
    }
    seen = graph.known_dependencies[("a", "b"), DiscoverySource.OTEL_SERVICE_GRAPH]
    assert (seen.traffic, seen.last_observed_at) == (Traffic(2, 0.5, 3), NOON)


async def test_the_same_moment_counts_once_and_a_later_one_again(
    graph: MemoryGraph, transaction: Callable[[], AbstractAsyncContextManager[Graph]]
) -> None:
    source = _Seen(Connection(*A_TO_B, 2, 1, 3))
    generations = [
        (await discover(source, transaction, at))["generation"] for at in (NOON, NOON, later(), later())
    ]
    assert generations == [1, 1, 2, 2]
    [seen] = graph.known_dependencies.values()
    assert seen.observations == 2


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\0", "\ud800", "x" * 256])
async def test_a_name_that_is_no_service_id_is_skipped_and_counted(
    graph: MemoryGraph, transaction: Callable[[], AbstractAsyncContextManager[Graph]], name: str
) -> None:
    source = _Seen(Connection(name, "b", ""), Connection("b", name, ""), Connection("b", "x" * 255, ""))
    assert (await discover(source, transaction, NOON))["skipped"] == 2
    assert set(graph.known_services) == {"b", "x" * 255}


async def test_a_source_that_fails_changes_nothing(
    graph: MemoryGraph, transaction: Callable[[], AbstractAsyncContextManager[Graph]]
) -> None:
    with pytest.raises(SourceFailed, match="nothing there"):
        await discover(_Seen(), transaction, NOON)
    assert not graph.known_services
