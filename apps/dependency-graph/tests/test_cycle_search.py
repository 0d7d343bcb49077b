from collections.abc import Collection
from itertools import pairwise, permutations

from hypothesis import given
from hypothesis import strategies as st

from dependency_graph.application.cycle_search import MOST_TRACED, search_cycles
from dependency_graph.domain.cycle import Cycle, canonical
from dependency_graph.domain.dependency import Pair

ALL_PAIRS = list(permutations("abcdefg", 2))
graphs = st.sets(st.sampled_from(ALL_PAIRS), max_size=20)


def _all_cycles(pairs: Collection[Pair]) -> set[Cycle]:
    """Every elementary cycle, by trying all paths from their smallest member."""
    found: set[Cycle] = set()

    def extend(path: list[str]) -> None:
        for target in (target for source, target in pairs if source == path[-1]):
            if target == path[0]:
                found.add(canonical(path))
            elif target > path[0] and target not in path:
                extend([*path, target])

    for start in {source for source, _ in pairs}:
        extend([start])
    return found


@given(graphs, st.data())
def test_what_is_found_is_a_shortest_cycle_of_each_knot_and_through_each_touched_pair(
    pairs: set[Pair], data: st.DataObject
) -> None:
    touched = data.draw(st.sets(st.sampled_from(sorted(pairs)))) if pairs else set[Pair]()
    every = _all_cycles(pairs)
    found = search_cycles(pairs, touched).cycles
    assert found <= every
    for pair in touched:
        through = [cycle for cycle in every if pair in pairwise(cycle)]
        named = [cycle for cycle in found if pair in pairwise(cycle)]
        assert min(map(len, named), default=0) == min(map(len, through), default=0)
    for cycle in every:
        knot = {c for c in found if _tied(set(cycle) | set(c), pairs)}
        assert min(map(len, knot)) == min(len(c) for c in every if _tied(set(cycle) | set(c), pairs))


def _tied(members: set[str], pairs: Collection[Pair]) -> bool:
    """Whether each of `members` can be reached from each other."""

    def reached(start: str) -> set[str]:
        seen = {start}
        while more := {target for source, target in pairs if source in seen} - seen:
            seen |= more
        return seen

    return all(members <= reached(member) for member in members)


@given(graphs)
def test_the_outcome_does_not_depend_on_the_order_of_the_pairs(pairs: set[Pair]) -> None:
    forwards, backwards = sorted(pairs), sorted(pairs, reverse=True)
    assert search_cycles(forwards, forwards) == search_cycles(backwards, backwards)


def test_in_a_dense_graph_only_so_many_cycles_are_looked_for() -> None:
    pairs = [(f"s{a}", f"s{b}") for a, b in permutations(range(15), 2)]
    search = search_cycles(pairs, pairs)
    assert len(search.cycles) <= MOST_TRACED + 1
    assert search.untraced == len(pairs) - MOST_TRACED


def test_knots_below_a_knot_keep_to_themselves() -> None:
    pairs = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "c")]
    assert search_cycles(pairs, ()).cycles == {("a", "b", "a"), ("c", "d", "e", "c")}
