"""The graph in memory answers what the recursive CTE answers, byte for byte."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from unittest.mock import Mock

import pytest
from factories import batch, later
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import NAMES, rows, store
from sqlalchemy import text
from walk import Row

from dependency_graph.application.ingest import ingest
from dependency_graph.application.queries import DependencyQuery, GraphVersion
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_reader import PostgresReader
from dependency_graph.infrastructure.postgres_graph import graph_transaction
from dependency_graph.infrastructure.response_cache import CachingReader
from dependency_graph.infrastructure.snapshot_reader import TOO_LARGE_SECONDS, SnapshotReader
from dependency_graph.infrastructure.statements import statement

plain = st.builds(
    DependencyQuery,
    st.sampled_from([*NAMES, "unknown"]),
    st.sampled_from(["both", "upstream", "downstream"]),
    st.integers(1, 10),
    st.just(value=False),
    st.just(value=True),
    st.just(0.0),
    st.none(),
    st.none(),
    st.sampled_from([1, 3, 1000]),
)
ABOUT_A = DependencyQuery("a", "both", 3, False, True, 0, None, None, 1000)


class AskedReader(SnapshotReader):
    """Counts how often it asks for the version, or is asked."""

    asked = 0

    async def version(self) -> GraphVersion:
        self.asked += 1
        return await super().version()


@pytest.fixture
async def reader(database: Database) -> AsyncGenerator[SnapshotReader]:
    reader = SnapshotReader(database, most_edges=100)
    yield reader
    await reader.stop()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def _add(database: Database, *pairs: str) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch(*pairs), graph, later())


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=rows, external=st.sets(st.sampled_from(NAMES), max_size=2), queries=st.lists(plain, min_size=5))
async def test_its_answers_are_those_of_postgresql(
    database: Database, graph: list[Row], external: set[str], queries: list[DependencyQuery]
) -> None:
    await store(database, graph, external)
    reader, tables = SnapshotReader(database), PostgresReader(database)
    await reader.load()
    for query in queries:
        assert await reader.dependencies(query) == await tables.dependencies(query)
    assert reader.answered == len(queries)


async def test_odd_names_and_metadata_are_written_as_postgresql_writes_them(
    database: Database, reader: SnapshotReader
) -> None:
    odd = 'a"\\/\u00e9 \U0001f600<&>'
    async with graph_transaction(database) as graph:
        told = batch(
            (odd, "b"), nodes={odd: {"team": 'x\n"', "pi": 3.10, "nested": {"\u2028": [None, True]}}}
        )
        await ingest(told, graph, later())
    await reader.load()
    query = DependencyQuery(odd, "both", 1, False, True, 0, None, None, 10)
    assert await reader.dependencies(query) == await PostgresReader(database).dependencies(query)
    assert reader.answered == 1


async def test_a_write_is_in_the_next_answer(database: Database, reader: SnapshotReader) -> None:
    await _add(database, "ab")
    await reader.load()
    await _add(database, "bc")
    answer = await reader.dependencies(ABOUT_A)
    assert answer
    assert b'"c"' in answer.body
    assert reader.answered == 0


async def test_it_is_loaded_behind_the_back_of_the_first_query(
    database: Database, reader: SnapshotReader
) -> None:
    await _add(database, "ab")
    await reader.dependencies(ABOUT_A)
    await _until(lambda: reader.holds_a_graph)
    await reader.dependencies(ABOUT_A)
    assert reader.answered == 1


async def test_what_leaves_something_out_is_answered_by_postgresql(
    database: Database, reader: SnapshotReader
) -> None:
    await _add(database, "ab")
    await reader.load()
    for query in (
        DependencyQuery("a", "both", 3, True, True, 0, None, None, 1000),
        DependencyQuery("a", "both", 3, False, False, 0, None, None, 1000),
        DependencyQuery("a", "both", 3, False, True, 0.5, None, None, 1000),
        DependencyQuery("a", "both", 3, False, True, 0, "soft", None, 1000),
        DependencyQuery("a", "both", 3, False, True, 0, None, "high", 1000),
    ):
        assert await reader.dependencies(query) == await PostgresReader(database).dependencies(query)
    assert reader.answered == 0


async def test_behind_a_cache_the_version_is_asked_for_once(database: Database) -> None:
    await _add(database, "ab")
    reader = AskedReader(database)
    await reader.load()
    assert await CachingReader(reader, None).dependencies(ABOUT_A)
    assert (reader.answered, reader.asked) == (1, 1)


async def test_a_snapshot_answers_for_no_other_graph_at_its_generation(
    database: Database, reader: SnapshotReader
) -> None:
    await _add(database, "ab")
    await reader.load()
    async with database.write() as connection:
        await connection.execute(text("UPDATE graph.generation SET revision = gen_random_uuid()"))
    assert not reader.has_at_hand(ABOUT_A, await reader.version())
    await reader.dependencies(ABOUT_A)
    assert reader.answered == 0


@pytest.mark.parametrize(("limits", "held"), [((2, 3), True), ((1, 3), False), ((2, 2), False)])
async def test_only_graphs_within_the_limits_are_loaded(
    database: Database, limits: tuple[int, int], held: bool
) -> None:
    await _add(database, "ab", "bc")
    reader = SnapshotReader(database, *limits)
    await reader.load()
    assert reader.holds_a_graph is held
    assert await reader.dependencies(ABOUT_A) == await PostgresReader(database).dependencies(ABOUT_A)
    await reader.stop()


async def _bytes_in_memory(database: Database) -> tuple[int, int]:
    """Of the services and of the dependencies."""
    async with database.read() as connection:
        nodes = await connection.execute(statement("snapshot_nodes"))
        edges = await connection.execute(statement("snapshot_edges"), {"include_stale": False})
        told = [[row.node for row in nodes], [row.edge for row in edges]]
    services, dependencies = [
        sum(len(text) * (1 if text.isascii() else 4) for text in texts) for texts in told
    ]
    return services, dependencies


@pytest.mark.parametrize("character", ["x", "\u00e9", "\U0001f600"])
async def test_metadata_counts_as_the_bytes_that_it_takes(database: Database, character: str) -> None:
    async with graph_transaction(database) as graph:
        told = batch((character, "b"), "bc", nodes={"b": {"text": character * 50_000}})
        await ingest(told, graph, later())
    services, dependencies = await _bytes_in_memory(database)
    for most, held in (
        (services + dependencies, True),
        (services + dependencies - 1, False),
        (services, False),
        (services - 1, False),
    ):
        reader = SnapshotReader(database, most_bytes=most)
        await reader.load()
        assert reader.holds_a_graph is held


async def test_a_graph_that_was_too_large_is_not_looked_at_again_for_a_minute(database: Database) -> None:
    clock = Mock(return_value=0.0)
    reader = SnapshotReader(database, most_edges=0, clock=clock)
    await _add(database, "ab")
    await reader.load()
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM graph.service_dependencies"))
    clock.return_value = TOO_LARGE_SECONDS - 0.1
    await reader.dependencies(ABOUT_A)
    assert reader._loading is None
    clock.return_value = TOO_LARGE_SECONDS
    await reader.dependencies(ABOUT_A)
    await _until(lambda: reader.holds_a_graph)
