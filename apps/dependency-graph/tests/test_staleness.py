from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from factories import NOON, batch, body, later
from fakes import MemoryGraph

from dependency_graph.application.ingest import ingest
from dependency_graph.application.mark_stale import mark_stale
from dependency_graph.application.ports import Graph
from dependency_graph.domain.cycle import AlertStatus
from dependency_graph.domain.dependency import DiscoverySource, Pair
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.postgres_graph import graph_transaction

KUBERNETES = DiscoverySource.KUBERNETES
WEEK = timedelta(hours=168)
A_WEEK_LATER = NOON + WEEK
MOMENT = timedelta(microseconds=1)


async def _stale(graph: Graph, *pairs: Pair) -> list[Pair]:
    known = await graph.dependencies.find(pairs)
    return [pair for pair in pairs for row in known[pair] if row.is_stale]


async def _marked(graph: Graph, now: datetime) -> int:
    return (await mark_stale(graph, WEEK, now)).dependencies


async def _check_the_boundary(graph: Graph) -> None:
    await ingest(batch("ab", source=KUBERNETES), graph, NOON)
    assert await _marked(graph, A_WEEK_LATER - MOMENT) == 0
    assert await _marked(graph, A_WEEK_LATER) == 1
    assert await _stale(graph, ("a", "b")) == [("a", "b")]


async def test_after_exactly_the_threshold_and_not_before_a_dependency_is_stale(database: Database) -> None:
    await _check_the_boundary(MemoryGraph())
    async with graph_transaction(database) as graph:
        await _check_the_boundary(graph)


async def test_what_a_person_told_never_gets_stale(database: Database) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch("ab", "ac"), graph, NOON)
        await ingest(batch("ac", source=KUBERNETES), graph, NOON)
        assert await _marked(graph, NOON + 100 * WEEK) == 1
        known = await graph.dependencies.find([("a", "b"), ("a", "c")])
        fresh = [row.discovery_source for rows in known.values() for row in rows if not row.is_stale]
        assert fresh == [DiscoverySource.MANUAL] * 2


async def test_the_generation_advances_only_if_something_got_stale(database: Database) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch("ab", source=KUBERNETES), graph, NOON)
        results = [await mark_stale(graph, WEEK, A_WEEK_LATER) for _ in range(2)]
        assert [(done.dependencies, done.generation) for done in results] == [(1, 2), (0, 2)]


async def test_alerts_of_cycles_that_are_gone_resolve_and_others_stay(database: Database) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch("ab", "ba", source=KUBERNETES), graph, NOON)
        await ingest(batch("cd", "dc"), graph, NOON)
        assert len(await graph.alerts.unresolved()) == 2
        await mark_stale(graph, WEEK, A_WEEK_LATER)
        assert [alert.cycle for alert in await graph.alerts.unresolved()] == [("c", "d", "c")]
        [gone] = await graph.alerts.through(["a"])
        assert (gone.status, gone.resolved_at) == (AlertStatus.RESOLVED, A_WEEK_LATER)


async def _check_an_acknowledged_alert(graph: Graph) -> None:
    done = await ingest(batch("ab", "ba", source=KUBERNETES), graph, NOON)
    [alert] = [found.alert for found in done.cycles]
    await graph.alerts.save([alert.reviewed(AlertStatus.ACKNOWLEDGED, "ann", None, NOON)])
    assert len(await graph.alerts.unresolved()) == 1
    await mark_stale(graph, WEEK, A_WEEK_LATER)
    assert (await graph.alerts.unresolved(), await _stale(graph, ("a", "b"))) == ([], [("a", "b")])


async def test_an_acknowledged_alert_resolves_as_well(database: Database) -> None:
    await _check_an_acknowledged_alert(MemoryGraph())
    async with graph_transaction(database) as graph:
        await _check_an_acknowledged_alert(graph)


async def _edges(client: httpx.AsyncClient, **parameters: Any) -> list[tuple[str, bool]]:
    answer = await client.get("/services/a/dependencies", params=parameters)
    return [(edge["target"], edge["is_stale"]) for edge in answer.json()["edges"]]


async def _run_staleness(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post("/sync/staleness", params={"wait": True})
    assert answer.status_code == 200
    return answer.json()["changes"]


async def test_a_run_makes_stale_what_was_not_seen_and_an_observation_revives_it(
    client: httpx.AsyncClient,
) -> None:
    now = datetime.now(UTC)
    for pair, at in [("ab", now - WEEK), ("ac", now - WEEK + timedelta(minutes=5))]:
        await client.post("/services/dependencies", json=body(pair, source="kubernetes", at=at))
    assert await _run_staleness(client) == {"dependencies_marked_stale": 1, "generation": 3}
    assert await _edges(client) == [("c", False)]
    assert await _edges(client, include_stale=True) == [("b", True), ("c", False)]
    await client.post("/services/dependencies", json=body("ab", source="kubernetes", at=now))
    assert await _edges(client) == [("b", False), ("c", False)]


async def test_an_old_observation_does_not_revive(client: httpx.AsyncClient) -> None:
    await client.post("/services/dependencies", json=body("ab", source="kubernetes", at=NOON))
    await _run_staleness(client)
    await client.post("/services/dependencies", json=body("ab", source="kubernetes", at=later(-1)))
    assert await _edges(client) == []
