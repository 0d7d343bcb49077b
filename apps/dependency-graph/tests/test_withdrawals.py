"""What a source told and does not tell any more, taken out of the graph."""

from factories import NOON, batch

from dependency_graph.application.ingest import Batch, Edge, ingest
from dependency_graph.domain.dependency import Attributes, DiscoverySource
from dependency_graph.domain.service import Service
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.postgres_graph import graph_transaction

TOOLHIVE = DiscoverySource.TOOLHIVE


async def test_placeholders_that_nothing_refers_to_are_removed(database: Database) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch("ab", "cd", "ef"), graph, NOON)
        await graph.dependencies.withdraw([("a", "b"), ("e", "f")], DiscoverySource.MANUAL)
        assert await graph.services.withdraw(["e", "b", "a", "unknown", "c", "d"]) == ["a", "b", "e"]
        assert (await graph.services.find("abcdef")).keys() == {"c", "d", "f"}
        assert await graph.services.withdraw(["a"]) == []
        assert await graph.services.withdraw([]) == []


async def test_idle_placeholders_are_found_by_how_they_begin(database: Database) -> None:
    async with graph_transaction(database) as graph:
        names = ["mcp:", "mcp:é", "mcp;", "mcp", "MCP:a", "remote:a", "remotes"]
        await graph.services.save([Service.placeholder(name) for name in names])
        await ingest(batch(nodes={"mcp:registered": {}}), graph, NOON)
        await ingest(
            Batch(TOOLHIVE, NOON, [], [Edge(("mcp:tied", "remote:tied"), Attributes())]), graph, NOON
        )
        found = await graph.services.idle_placeholders(["mcp:", "remote:"])
        assert await graph.services.idle_placeholders([]) == []
    assert found == ["mcp:", "mcp:é", "remote:a"]


async def test_a_registered_service_stays(database: Database) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch(nodes={"a": {}}), graph, NOON)
        assert await graph.services.withdraw(["a"]) == []
        assert (await graph.services.find(["a"])).keys() == {"a"}


async def test_a_stale_dependency_keeps_both_of_its_ends(database: Database) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch("ab", source=TOOLHIVE), graph, NOON)
        assert await graph.dependencies.mark_stale(NOON) == 1
        assert await graph.services.withdraw(["a", "b"]) == []


async def test_what_other_sources_know_of_a_pair_stays(database: Database) -> None:
    async with graph_transaction(database) as graph:
        for source in (TOOLHIVE, DiscoverySource.KUBERNETES):
            await ingest(batch("ab", "ac", "ba", source=source), graph, NOON)
        pairs = [("a", "b"), ("b", "c"), ("x", "y")]
        assert await graph.dependencies.withdraw(pairs, TOOLHIVE) == 1
        assert await graph.dependencies.withdraw(pairs, TOOLHIVE) == 0
        assert await graph.dependencies.withdraw([], TOOLHIVE) == 0
        known = await graph.dependencies.find([("a", "b"), ("b", "a"), ("a", "c")])
    assert {pair: {row.discovery_source for row in rows} for pair, rows in known.items()} == {
        ("a", "b"): {DiscoverySource.KUBERNETES},
        ("b", "a"): {DiscoverySource.KUBERNETES, TOOLHIVE},
        ("a", "c"): {DiscoverySource.KUBERNETES, TOOLHIVE},
    }


async def test_a_stale_dependency_is_withdrawn_too(database: Database) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch("ab", source=TOOLHIVE), graph, NOON)
        await graph.dependencies.mark_stale(NOON)
        assert await graph.dependencies.withdraw([("a", "b")], TOOLHIVE) == 1
        assert await graph.services.withdraw(["b", "a"]) == ["a", "b"]
