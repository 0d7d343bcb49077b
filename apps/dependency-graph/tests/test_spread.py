"""How far a failure spreads, against all paths of small graphs."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from dependency_graph.domain.impact import Impact, Link, Spread

NAMES = "abcde"
pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda pair: pair[0] != pair[1])
links = st.dictionaries(pairs, st.booleans(), max_size=20).map(
    lambda found: [(source, target, hard) for (source, target), hard in found.items()]
)


def _ways(links: list[Link], end: str, steps: int) -> Iterator[tuple[str, ...]]:
    """Every path to `end` of exactly so many steps, whatever it visits twice."""
    if steps == 0:
        yield (end,)
        return
    for source, target, _ in links:
        if target == end:
            yield from ((*way, end) for way in _ways(links, source, steps - 1))


def _shortest(links: list[Link], start: str, end: str, depth: int) -> tuple[str, ...] | None:
    for steps in range(1, depth + 1):
        if found := sorted(way for way in _ways(links, end, steps) if way[0] == start):
            return found[0]
    return None


@settings(max_examples=300)
@given(links, st.integers(1, 5))
def test_every_service_is_reached_along_the_first_shortest_path_of_its_kind(
    links: list[Link], depth: int
) -> None:
    spread = Spread.of("a", links, depth)
    expected: dict[str, tuple[Impact, tuple[str, ...]]] = {}
    for name in NAMES[1:]:
        hard = _shortest([link for link in links if link[2]], name, "a", depth)
        if path := hard or _shortest(links, name, "a", depth):
            expected[name] = (Impact.FAILS if hard else Impact.DEGRADES, path)
    assert {name: (spread.impact(name), spread.path(name)) for name in spread.impacted} == expected
    assert all(spread.distance(name) == len(path) - 1 for name, (_, path) in expected.items())


def test_a_long_hard_path_counts_more_than_a_short_soft_one() -> None:
    spread = Spread.of("c", [("a", "c", False), ("a", "b", True), ("b", "c", True)], 2)
    assert (spread.impact("a"), spread.path("a"), spread.distance("a")) == (Impact.FAILS, ("a", "b", "c"), 2)


def test_a_hard_path_beyond_the_depth_does_not_count() -> None:
    spread = Spread.of("c", [("a", "c", False), ("a", "b", True), ("b", "c", True)], 1)
    assert (spread.impact("a"), spread.path("a")) == (Impact.DEGRADES, ("a", "c"))


def test_a_failure_does_not_come_back_to_where_it_began() -> None:
    assert Spread.of("a", [("a", "b", True), ("b", "a", True)], 10).impacted == {"b"}
