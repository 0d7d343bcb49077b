import pytest
from factories import NOON, batch, later
from fakes import MemoryGraph

from dependency_graph.application.ingest import ingest
from dependency_graph.domain.dependency import DependencyCriticality, DiscoverySource
from dependency_graph.domain.service import Criticality

OTEL = DiscoverySource.OTEL_SERVICE_GRAPH
SOFT = DependencyCriticality.SOFT


@pytest.fixture
def graph() -> MemoryGraph:
    return MemoryGraph()


async def test_unknown_ends_become_placeholders_and_are_counted(graph: MemoryGraph) -> None:
    done = await ingest(batch("ab", nodes={"a": {"team": "t"}}), graph, NOON)
    assert (done.nodes_upserted, done.edges_upserted, done.generation) == (2, 1, 1)
    assert done.warnings == ["1 unknown service was created as a placeholder"]
    assert [graph.known_services[s].discovered for s in "ab"] == [False, True]


async def test_the_same_batch_again_changes_nothing(graph: MemoryGraph) -> None:
    first = await ingest(batch("ab", "bc"), graph, NOON)
    again = await ingest(batch("ab", "bc"), graph, later())
    assert (again.nodes_upserted, again.edges_upserted, again.generation) == (0, 0, first.generation)
    assert again.warnings == []


async def test_a_placeholder_never_overwrites_and_registering_clears_the_flag(graph: MemoryGraph) -> None:
    await ingest(batch("ab", nodes={"a": {"team": "t", "criticality": "high"}}), graph, NOON)
    await ingest(batch("ba", nodes={"b": None}), graph, NOON)
    assert graph.known_services["a"].team == "t"
    assert graph.known_services["a"].criticality is Criticality.HIGH
    assert not graph.known_services["b"].discovered


async def test_a_node_told_without_metadata_keeps_what_is_known(graph: MemoryGraph) -> None:
    await ingest(batch(nodes={"a": {"team": "t"}}), graph, NOON)
    await ingest(batch(nodes={"a": None}), graph, NOON)
    assert graph.known_services["a"].team == "t"
    await ingest(batch(nodes={"a": {}}), graph, NOON)
    assert graph.known_services["a"].team is None


async def test_edges_from_a_service_to_itself_are_left_out_with_one_warning(graph: MemoryGraph) -> None:
    done = await ingest(batch("aa", "ab", "bb"), graph, NOON)
    assert done.edges_upserted == 1
    assert "2 edges from a service to itself were left out" in done.warnings


async def test_of_repeats_in_one_batch_the_last_one_counts(graph: MemoryGraph) -> None:
    repeated = batch("ab", "ab", nodes={"a": None})
    soft = batch("ab", criticality=SOFT).edges
    nodes = [*repeated.nodes, *batch(nodes={"a": {"team": "last"}}).nodes]
    done = await ingest(type(repeated)(repeated.source, NOON, nodes, [*repeated.edges, *soft]), graph, NOON)
    assert done.edges_upserted == 1
    assert [row.attributes.criticality for row in graph.known_dependencies.values()] == [SOFT]
    assert graph.known_services["a"].team == "last"
    assert "1 edge stands in the body more than once, the last one counts: 'a' -> 'b'" in done.warnings
    assert "1 node stands in the body more than once, the last one counts: 'a'" in done.warnings


async def test_each_source_has_its_own_row_and_differences_are_reported(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "bc", source=OTEL), graph, NOON)
    done = await ingest(batch("ab", criticality=SOFT), graph, NOON)
    assert len(graph.known_dependencies) == 3
    [conflict] = done.conflicts
    assert (conflict.pair, conflict.existing_source, conflict.kept) == (
        ("a", "b"),
        OTEL,
        DiscoverySource.MANUAL,
    )
    assert (await ingest(batch("bc"), graph, NOON)).conflicts == []


async def test_a_timestamp_in_the_future_is_warned_of(graph: MemoryGraph) -> None:
    assert (await ingest(batch("ab", at=later(0.08)), graph, NOON)).warnings == [
        "2 unknown services were created as placeholders"
    ]
    assert "lies in the future" in (await ingest(batch("ab", at=later(48)), graph, NOON)).warnings[0]


async def test_confidence_grows_only_with_later_observations(graph: MemoryGraph) -> None:
    for at in (NOON, NOON, later(), NOON):
        await ingest(batch("ab", source=OTEL, at=at), graph, NOON)
    [row] = graph.known_dependencies.values()
    assert row.observations == 2
