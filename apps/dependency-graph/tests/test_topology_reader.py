"""What PostgreSQL tells of who depends on whom, against the rows that are in it."""

from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import NAMES, rows, store
from walk import Row

from dependency_graph.domain.dependency import PRIORITY, Pair
from dependency_graph.domain.impact import Spread
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.topology_reader import PostgresTopology

with_a_database = settings(max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _criticalities(graph: Iterable[Row]) -> dict[Pair, str]:
    fresh = sorted((row for row in graph if not row.is_stale), key=lambda row: PRIORITY[row.source])
    return {row.pair: row.criticality for row in reversed(fresh)}


@with_a_database
@given(graph=rows, start=st.sampled_from(NAMES), depth=st.integers(1, 5))
async def test_what_leads_to_a_service_is_merged_of_the_fresh_rows(
    database: Database, graph: list[Row], start: str, depth: int
) -> None:
    await store(database, graph, set())
    found = await PostgresTopology(database).upstream(start, depth)
    assert found is not None
    links = list(found.links)
    merged = _criticalities(graph)
    expected = Spread.of(start, [(*pair, told == "hard") for pair, told in merged.items()], depth)
    spread = Spread.of(start, links, depth)
    assert found.services.keys() == expected.impacted | {start}
    assert {one: (spread.impact(one), spread.path(one)) for one in spread.impacted} == {
        one: (expected.impact(one), expected.path(one)) for one in expected.impacted
    }
    assert len({(source, target) for source, target, _ in links}) == len(links)


@with_a_database
@given(graph=rows, near=st.sets(st.sampled_from(NAMES), min_size=1))
async def test_the_next_steps_are_those_of_fresh_rows_each_once(
    database: Database, graph: list[Row], near: set[str]
) -> None:
    await store(database, graph, set())
    pairs = _criticalities(graph).keys()
    async with PostgresTopology(database).snapshot() as snapshot:
        downstream, upstream = await snapshot.downstream(near), await snapshot.upstream(near)
        assert await snapshot.known({*near, "nobody"}) == near
    assert sorted(downstream) == sorted(pair for pair in pairs if pair[0] in near)
    assert sorted(upstream) == sorted(pair for pair in pairs if pair[1] in near)
