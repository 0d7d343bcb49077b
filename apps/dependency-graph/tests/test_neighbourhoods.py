"""What is read of the graph to look for cycles: the outcome does not depend on how much that is."""

from collections.abc import Collection, Sequence
from itertools import permutations

import pytest
from factories import NOON, batch, later
from fakes import MemoryDependencies, MemoryGraph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import NAMES, rows, store
from walk import Row

from dependency_graph.application.cycle_search import Knots
from dependency_graph.application.delete_service import delete_service
from dependency_graph.application.ingest import ingest
from dependency_graph.application.pair_graph import PairGraph
from dependency_graph.domain.dependency import Pair
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.dependency_repository import PostgresDependencies

PAIRS = list(permutations("abcdef", 2))
some = st.lists(st.sampled_from(PAIRS), unique=True, max_size=12)


class LargeBelow(MemoryDependencies):
    """A graph with much below everything."""

    async def reachable_from(self, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        return None


class LargeAllRound(LargeBelow):
    async def leading_to(self, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        return None


async def _cycles(before: list[Pair], told: list[Pair], kind: type[MemoryDependencies]) -> list[object]:
    """What is told of, and which alerts are left after a deletion."""
    graph = MemoryGraph()
    graph.dependencies = kind(graph)
    await ingest(batch(*before), graph, NOON)
    done = await ingest(batch(*told, nodes={"a": None}), graph, NOON)
    await delete_service("a", graph, later())
    left = sorted((alert.cycle, alert.status) for alert in graph.known_alerts.values())
    return [[(found.alert.cycle, found.new) for found in done.cycles], left]


@given(some, some)
async def test_the_outcome_does_not_depend_on_what_is_read(before: list[Pair], told: list[Pair]) -> None:
    expected = await _cycles(before, told, MemoryDependencies)
    assert await _cycles(before, told, LargeBelow) == expected
    assert await _cycles(before, told, LargeAllRound) == expected


def test_knots_that_hold_none_of_the_pairs_are_left_out() -> None:
    pairs = PairGraph()
    pairs.add([("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")])
    assert Knots(pairs, [("c", "d"), ("b", "c")]).search().cycles == {("c", "d", "c")}
    assert Knots(pairs, [("a", "a")]).search().cycles == {("a", "b", "a")}
    assert not Knots(pairs, [("b", "c"), ("x", "y")])


def test_a_pair_that_is_touched_but_not_there_lies_on_no_cycle() -> None:
    pairs = PairGraph()
    pairs.add([("a", "b"), ("b", "c"), ("c", "a")])
    knots = Knots(pairs)
    knots.touch([("a", "b"), ("a", "c"), ("a", "x")])
    assert (knots.search().through_touched, knots.search().untraced) == ({("a", "b", "c", "a")}, 0)


def _walk(starts: set[str], pairs: set[Pair]) -> set[Pair]:
    reached = set(starts)
    while more := {target for source, target in pairs if source in reached} - reached:
        reached |= more
    return {pair for pair in pairs if pair[0] in reached}


@pytest.mark.parametrize("upstream", [False, True])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=rows, starts=st.sets(st.sampled_from(NAMES)))
async def test_a_walk_finds_what_is_fresh_and_gives_up_where_that_is_too_much(
    database: Database, upstream: bool, graph: list[Row], starts: set[str]
) -> None:
    await store(database, graph, set())
    fresh = [row.pair for row in graph if not row.is_stale]
    turned = {(target, source) for source, target in fresh} if upstream else set(fresh)
    expected = {(b, a) if upstream else (a, b) for a, b in _walk(starts, turned)}
    count = sum(pair in expected for pair in fresh)
    async with database.snapshot() as connection:
        dependencies = PostgresDependencies(connection)
        walk = dependencies.leading_to if upstream else dependencies.reachable_from
        assert set(await walk(starts, count) or ()) == expected
        assert await walk(starts, count - 1) is None
        assert {pair async for part in dependencies.fresh() for pair in part} == set(fresh)
