import pytest
from fakes import MemoryTopology

from dependency_graph.application.analyze_impact import analyze_impact
from dependency_graph.application.ports import UpstreamService
from dependency_graph.domain.errors import ServiceNotFound
from dependency_graph.domain.service import Criticality

SHOP = MemoryTopology(
    {("a", "d"), ("b", "d"), ("e", "b"), ("c", "e"), ("f", "d")},
    described={
        "a": UpstreamService(Criticality.LOW, None),
        "c": UpstreamService(Criticality.CRITICAL, "checkout"),
        "e": UpstreamService(Criticality.CRITICAL, None),
    },
    soft={("b", "d")},
)


async def test_the_most_critical_come_first_then_the_nearest_then_by_id() -> None:
    found = await analyze_impact("d", 10, 10, SHOP)
    assert [one.service_id for one in found.impacted] == ["e", "c", "b", "f", "a"]
    assert [one.distance for one in found.impacted] == [2, 3, 1, 1, 1]
    assert (found.impacted[1].team, found.impacted[1].path) == ("checkout", ("c", "e", "b", "d"))


async def test_statistics_count_what_the_limit_leaves_out() -> None:
    found = await analyze_impact("d", 10, 4, SHOP)
    assert (len(found.impacted), found.truncated) == (4, True)
    counts = found.statistics
    assert (counts.total, counts.fails, counts.degrades, counts.max_distance) == (5, 2, 3, 3)
    assert counts.by_criticality == {"critical": 2, "high": 0, "medium": 2, "low": 1}
    assert not (await analyze_impact("d", 10, 5, SHOP)).truncated


async def test_what_nothing_depends_on_takes_nothing_down() -> None:
    found = await analyze_impact("a", 10, 10, SHOP)
    assert (found.impacted, found.statistics.total, found.statistics.max_distance) == ([], 0, 0)


async def test_what_is_not_there_cannot_fail() -> None:
    with pytest.raises(ServiceNotFound):
        await analyze_impact("x", 10, 10, SHOP)
