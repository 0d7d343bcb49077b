"""MCP servers and the registry in PostgreSQL."""

from dataclasses import fields, replace
from typing import Any

import pytest
from sqlalchemy import text
from stored_inventory import FETCH, GITHUB, OWN_GITHUB, container, remote, store

from dependency_graph.domain.mcp_server import Match, McpServer, RegistryEntry, WorkloadKey
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.postgres_graph import graph_transaction

OLD_FETCH = container("fetch", match=Match(FETCH.name, version_differs=True, ambiguous=True))
SERVERS = [remote("github", "team-a"), OLD_FETCH, OWN_GITHUB, container("github", "team-b", missed=True)]
IN_ORDER = [SERVERS[1], SERVERS[2], SERVERS[0], SERVERS[3]]
OTHER_ENTRY: dict[str, Any] = {
    "images": ("mcp/github",),
    "urls": (),
    "title": None,
    "description": "other",
    "transport": "sse",
    "status": "Deprecated",
    "tier": "Community",
    "repository_url": "https://example.com",
    "tags": ("issues", "api"),
    "tools": ("get_me",),
}
OTHER_SERVER: dict[str, Any] = {
    "package": "https://example.com/mcp",
    "remote": False,
    "status": "stopped",
    "transport": "sse",
    "proxy_mode": None,
    "url": None,
    "group": "other",
    "tools": (),
    "match": Match(GITHUB.name, version_differs=True),
    "missed": True,
}


async def _stored(database: Database) -> list[McpServer]:
    async with graph_transaction(database) as graph:
        return list(await graph.mcp_servers.all())


async def _entries(database: Database) -> list[RegistryEntry]:
    async with graph_transaction(database) as graph:
        return list(await graph.mcp_servers.entries())


async def _versions(database: Database) -> dict[str, str]:
    """Which transaction wrote each row."""
    query = (
        "SELECT full_name AS name, CAST(xmin AS text) AS version FROM graph.mcp_workloads "
        "UNION ALL SELECT name, CAST(xmin AS text) FROM graph.mcp_registry_servers"
    )
    async with database.read() as connection:
        return {row.name: row.version for row in await connection.execute(text(query))}


async def test_what_is_stored_comes_back_as_it_was_in_order_of_the_names(database: Database) -> None:
    await store(database, SERVERS)
    assert await _entries(database) == [FETCH, GITHUB]
    assert await _stored(database) == IN_ORDER


async def test_one_name_may_be_in_several_namespaces_and_runtimes(database: Database) -> None:
    await store(database, SERVERS)
    assert [server.key for server in await _stored(database) if server.key.name == "github"] == [
        WorkloadKey("docker", "", "github"),
        WorkloadKey("k8s", "team-a", "github"),
        WorkloadKey("k8s", "team-b", "github"),
    ]


async def test_what_stays_as_it_is_is_not_written(database: Database) -> None:
    await store(database, SERVERS)
    before = await _versions(database)
    async with graph_transaction(database) as graph:
        assert await graph.mcp_servers.save(SERVERS) == 0
        assert await graph.mcp_servers.save_entries([GITHUB, FETCH]) == 0
    assert await _versions(database) == before


async def test_of_many_only_what_changed_is_written_and_counted(database: Database) -> None:
    await store(database, SERVERS)
    before = await _versions(database)
    stopped = replace(OWN_GITHUB, status="stopped")
    retitled = replace(GITHUB, title="Octocat")
    async with graph_transaction(database) as graph:
        assert await graph.mcp_servers.save([stopped, *SERVERS[:2], container("new")]) == 2
        assert await graph.mcp_servers.save_entries([FETCH, retitled, RegistryEntry("new entry")]) == 2
    after = await _versions(database)
    written = {name for name, version in after.items() if before.get(name) != version}
    assert written == {"github", "new", GITHUB.name, "new entry"}


@pytest.mark.parametrize("field", OTHER_SERVER)
async def test_every_field_of_a_server_can_change(database: Database, field: str) -> None:
    await store(database, [OWN_GITHUB])
    changed = replace(OWN_GITHUB, **{field: OTHER_SERVER[field]})
    async with graph_transaction(database) as graph:
        assert await graph.mcp_servers.save([changed]) == 1
    assert await _stored(database) == [changed]


@pytest.mark.parametrize("field", OTHER_ENTRY)
async def test_every_field_of_an_entry_can_change(database: Database, field: str) -> None:
    await store(database, [], [GITHUB])
    changed = replace(GITHUB, **{field: OTHER_ENTRY[field]})
    async with graph_transaction(database) as graph:
        assert await graph.mcp_servers.save_entries([changed]) == 1
    assert await _entries(database) == [changed]


def test_no_field_is_left_out_of_these_tests() -> None:
    assert {field.name for field in fields(McpServer)} == OTHER_SERVER.keys() | {"key"}
    assert {field.name for field in fields(RegistryEntry)} == OTHER_ENTRY.keys() | {"name"}


@pytest.mark.parametrize("match", [Match(), Match(FETCH.name)])
async def test_a_server_can_lose_its_entry_or_get_another(database: Database, match: Match) -> None:
    await store(database, [OWN_GITHUB])
    await store(database, [replace(OWN_GITHUB, match=match)])
    assert [server.match for server in await _stored(database)] == [match]


async def test_a_server_is_deleted_by_its_whole_key(database: Database) -> None:
    await store(database, SERVERS)
    keys = [SERVERS[0].key, WorkloadKey("docker", "team-b", "github"), WorkloadKey("k8s", "", "fetch")]
    async with graph_transaction(database) as graph:
        assert await graph.mcp_servers.delete(keys) == 1
        assert await graph.mcp_servers.delete([]) == 0
    assert await _stored(database) == [server for server in IN_ORDER if server is not SERVERS[0]]


async def test_an_entry_that_goes_leaves_its_servers_without_one(database: Database) -> None:
    await store(database, SERVERS)
    async with graph_transaction(database) as graph:
        assert await graph.mcp_servers.delete_entries([FETCH.name, "unknown"]) == 1
        assert await graph.mcp_servers.delete_entries([]) == 0
    assert await _entries(database) == [GITHUB]
    assert await _stored(database) == [replace(OLD_FETCH, match=Match()), *IN_ORDER[1:]]


async def test_without_the_code_the_foreign_key_unlinks_as_well(database: Database) -> None:
    await store(database, [OWN_GITHUB])
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM graph.mcp_registry_servers"))
    assert [server.match.entry for server in await _stored(database)] == [None]


@pytest.mark.parametrize("odd", ['a"b\\c', "{a,b}", "NULL", "ümläut ☕", "it's", ":name", ""])
async def test_any_text_comes_back_as_it_was(database: Database, odd: str) -> None:
    entry = RegistryEntry(odd, (odd, "x"), (odd,), odd, odd, tags=(odd, odd), tools=(odd,))
    server = container(odd or "x", package=odd, status=odd, group=odd, tools=(odd,), match=Match(odd))
    await store(database, [server], [entry])
    assert (await _entries(database), await _stored(database)) == ([entry], [server])
