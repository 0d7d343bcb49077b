from dataclasses import replace
from uuid import uuid4

import pytest
from factories import NOON, batch, later
from fakes import MemoryGraph

from dependency_graph.application.delete_service import delete_service
from dependency_graph.application.ingest import Ingested, ingest
from dependency_graph.application.review_alert import review_alert
from dependency_graph.domain.cycle import AlertStatus, Cycle
from dependency_graph.domain.errors import AlertNotFound, CycleIsGone, ServiceNotFound


@pytest.fixture
def graph() -> MemoryGraph:
    return MemoryGraph()


def _cycles(done: Ingested) -> dict[str, bool]:
    return {"".join(found.alert.cycle): found.new for found in done.cycles}


def _statuses(graph: MemoryGraph) -> dict[str, str]:
    return {"".join(alert.cycle): str(alert.status) for alert in graph.known_alerts.values()}


async def _resolve_by_hand(graph: MemoryGraph, cycle: Cycle) -> None:
    [alert] = [a for a in graph.known_alerts.values() if a.cycle == cycle]
    await review_alert(alert.alert_id, AlertStatus.RESOLVED, "ann", "fixed", graph, NOON)


async def test_a_cycle_is_one_alert_however_it_was_found(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "bc"), graph, NOON)
    assert _cycles(await ingest(batch("ca"), graph, NOON)) == {"abca": True}
    assert _cycles(await ingest(batch("bc"), graph, NOON)) == {"abca": False}
    assert _cycles(await ingest(batch("bc", at=later()), graph, NOON)) == {"abca": False}
    assert len(graph.known_alerts) == 1


async def test_an_edge_told_again_names_a_cycle_that_nobody_has_named(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "bc", "cd", "bx", "xd"), graph, NOON)
    assert _cycles(await ingest(batch("da"), graph, NOON)) == {"abcda": True}
    assert _cycles(await ingest(batch("bx"), graph, later())) == {"abxda": True}
    assert _cycles(await ingest(batch("ab", "bx"), graph, later(2))) == {"abcda": False, "abxda": False}


async def test_only_cycles_through_the_body_are_listed(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "ba"), graph, NOON)
    assert _cycles(await ingest(batch("xa"), graph, NOON)) == {}
    assert _cycles(await ingest(batch("bc", "cb"), graph, NOON)) == {"bcb": True}


async def test_a_longer_cycle_through_a_new_edge_is_found_beside_a_shorter_one(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "ba"), graph, NOON)
    assert _cycles(await ingest(batch("bc", "ca"), graph, NOON)) == {"abca": True}


async def test_an_alert_whose_cycle_is_gone_resolves_itself_and_reopens_when_it_is_back(
    graph: MemoryGraph,
) -> None:
    await ingest(batch("ab", "ba"), graph, NOON)
    await delete_service("b", graph, later())
    assert _statuses(graph) == {"aba": "resolved"}
    assert _cycles(await ingest(batch("ab", "ba"), graph, later(2))) == {"aba": False}
    assert _statuses(graph) == {"aba": "open"}


async def test_when_the_named_cycle_of_a_knot_goes_another_one_is_named(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "bc", "ca"), graph, NOON)
    await ingest(batch("bd"), graph, NOON)
    graph.known_dependencies.update(
        {
            (pair, row.discovery_source): replace(row, pair=pair)
            for row in [*graph.known_dependencies.values()]
            for pair in [("d", "a")]
        }
    )
    await delete_service("c", graph, later())
    assert _statuses(graph) == {"abca": "resolved", "abda": "open"}


async def test_an_alert_resolved_by_hand_reopens_when_an_ingest_touches_its_cycle(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "ba", "bc"), graph, NOON)
    await _resolve_by_hand(graph, ("a", "b", "a"))
    await ingest(batch("bc"), graph, later())
    assert _statuses(graph) == {"aba": "resolved"}
    assert _cycles(await ingest(batch("ab"), graph, later())) == {"aba": False}
    assert _statuses(graph) == {"aba": "open"}


async def test_a_resolved_alert_whose_cycle_is_gone_stays_resolved(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "ba"), graph, NOON)
    del graph.known_dependencies[next(key for key in graph.known_dependencies if key[0] == ("b", "a"))]
    await _resolve_by_hand(graph, ("a", "b", "a"))
    assert _cycles(await ingest(batch("ab"), graph, later())) == {}
    assert _statuses(graph) == {"aba": "resolved"}


async def test_an_alert_is_not_made_open_for_a_cycle_that_is_gone(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "ba"), graph, NOON)
    await delete_service("b", graph, later())
    [alert] = graph.known_alerts.values()
    for status in (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED):
        with pytest.raises(CycleIsGone):
            await review_alert(alert.alert_id, status, None, None, graph, later())
    await review_alert(alert.alert_id, AlertStatus.RESOLVED, None, "cut for good", graph, later())
    assert _cycles(await ingest(batch("ab"), graph, later())) == {}
    assert [a.resolution_notes for a in graph.known_alerts.values()] == ["cut for good"]


async def test_an_acknowledged_alert_stays_acknowledged(graph: MemoryGraph) -> None:
    await ingest(batch("ab", "ba"), graph, NOON)
    [alert] = graph.known_alerts.values()
    await review_alert(alert.alert_id, AlertStatus.ACKNOWLEDGED, "ann", None, graph, NOON)
    await ingest(batch("ab", at=later()), graph, later())
    assert _statuses(graph) == {"aba": "acknowledged"}


async def test_what_is_not_there_cannot_be_deleted_or_reviewed(graph: MemoryGraph) -> None:
    with pytest.raises(ServiceNotFound, match="'x'"):
        await delete_service("x", graph, NOON)
    with pytest.raises(AlertNotFound):
        await review_alert(uuid4(), AlertStatus.OPEN, None, None, graph, NOON)
