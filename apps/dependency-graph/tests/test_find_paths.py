"""The search from both ends, against one that tries every path."""

from itertools import pairwise, product
from threading import get_ident

import pytest
from fakes import MemoryTopology
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import Watched

from dependency_graph.application.find_paths import MOST_PATHS, MOST_STEPS, find_paths
from dependency_graph.domain.dependency import Pair
from dependency_graph.domain.errors import ServiceNotFound

NAMES = "abcdefg"
pair = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda pair: pair[0] != pair[1])
# Few pairs make long paths, many make several of one length.
graphs = st.sampled_from([0, 8, 25]).flatmap(lambda few: st.sets(pair, min_size=few, max_size=few + 8))


def _all_shortest(graph: set[Pair], source: str, target: str) -> list[tuple[str, ...]]:
    ways = {(source,)}
    for _ in NAMES:
        if found := sorted(way for way in ways if way[-1] == target):
            return found
        ways = {(*way, far) for way in ways for near, far in graph if near == way[-1] and far not in way}
    return []


@settings(max_examples=500)
@given(graphs, st.sampled_from(NAMES), st.sampled_from(NAMES))
async def test_the_first_of_all_shortest_paths_are_found(graph: set[Pair], source: str, target: str) -> None:
    found = await find_paths(source, target, MemoryTopology(graph, NAMES))
    expected = _all_shortest(graph, source, target)
    assert list(found.paths) == expected[:MOST_PATHS]
    assert found.length == (len(expected[0]) - 1 if expected else None)


async def test_of_more_paths_than_could_be_counted_the_first_ten_are_told() -> None:
    layers = [[f"{layer:02}{place}" for place in "abc"] for layer in range(60)]
    graph = {("start", name) for name in layers[0]} | {(name, "target") for name in layers[-1]}
    for near, far in pairwise(layers):
        graph |= set(product(near, far))
    found = await find_paths("start", "target", MemoryTopology(graph))
    assert (found.length, len(found.paths)) == (61, MOST_PATHS)
    assert list(found.paths) == sorted(found.paths)
    assert found.paths[0] == ("start", *[f"{layer:02}a" for layer in range(60)], "target")


@pytest.mark.parametrize(("steps", "length"), [(MOST_STEPS, MOST_STEPS), (MOST_STEPS + 1, None)])
async def test_a_path_has_at_most_a_thousand_steps(steps: int, length: int | None) -> None:
    chain = {(f"{number:04}", f"{number + 1:04}") for number in range(steps)}
    found = await find_paths("0000", f"{steps:04}", MemoryTopology(chain))
    assert found.length == length


async def test_the_smaller_side_goes_on() -> None:
    crowd = {("hub", f"leaf-{number}") for number in range(100)}
    chain = {("hub", "a"), ("a", "b"), ("b", "c")}
    topology = MemoryTopology(crowd | chain)
    assert (await find_paths("hub", "c", topology)).length == 3
    assert topology.asked == ["downstream 1", "upstream 1", "upstream 1"]


async def test_steps_are_followed_off_the_event_loop() -> None:
    topology = MemoryTopology({("a", "b"), ("b", "c"), ("c", "d")})
    answers: list[Watched[Pair]] = []
    topology.answered = lambda pairs: answers.append(Watched(pairs)) or answers[-1]
    assert (await find_paths("a", "d", topology)).length == 3
    assert len(answers) == 3
    assert all(answer.read_in and get_ident() not in answer.read_in for answer in answers)


@pytest.mark.parametrize(("source", "target", "missing"), [("x", "a", "x"), ("a", "x", "x"), ("x", "y", "x")])
async def test_both_ends_must_be_there(source: str, target: str, missing: str) -> None:
    with pytest.raises(ServiceNotFound, match=f"'{missing}'"):
        await find_paths(source, target, MemoryTopology({("a", "b")}))
