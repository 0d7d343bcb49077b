"""The registry as operators ask for it."""

from typing import Any

import httpx
import pytest
from stored_inventory import FETCH, GITHUB, OWN_GITHUB, container, remote, store

from dependency_graph.domain.mcp_server import Match, RegistryEntry
from dependency_graph.infrastructure.database import Database

PATH = "/mcp-registry"


async def _names(client: httpx.AsyncClient, **parameters: Any) -> list[str]:
    answer = await client.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return [entry["name"] for entry in answer.json()["mcp_registry"]]


async def test_an_entry_is_told_with_the_servers_that_were_made_from_it(
    client: httpx.AsyncClient, database: Database
) -> None:
    in_cluster = remote("github", "team-a", match=Match(GITHUB.name))
    await store(database, [in_cluster, OWN_GITHUB, container("github2")], [GITHUB])
    [told] = (await client.get(PATH)).json()["mcp_registry"]
    assert told.pop("created_at") == told.pop("updated_at")
    assert told == {
        "name": "io.github.stacklok/github",
        "title": "GitHub",
        "description": "Repositories, issues and pull requests",
        "images": [],
        "urls": ["https://api.githubcopilot.com/mcp"],
        "transport": "streamable-http",
        "status": "Active",
        "tier": "Official",
        "repository_url": "https://github.com/github/github-mcp-server",
        "tags": ["api", "issues"],
        "tools": ["create_issue", "get_me"],
        "workloads": ["github", "team-a/github"],
    }


async def test_the_list_is_filtered(client: httpx.AsyncClient, database: Database) -> None:
    both = RegistryEntry("Both_100%", images=("mcp/both",), urls=("https://example.com/mcp",))
    await store(database, [], [GITHUB, FETCH, both, RegistryEntry("ünïcode")])
    assert await _names(client) == ["Both_100%", FETCH.name, GITHUB.name, "ünïcode"]
    assert await _names(client, remote=True) == ["Both_100%", GITHUB.name]
    assert await _names(client, remote=False) == [FETCH.name, "ünïcode"]
    assert await _names(client, q="STACKLOK") == [FETCH.name, GITHUB.name]
    assert await _names(client, q="both") == ["Both_100%"]
    assert await _names(client, q="ÜNÏ") == ["ünïcode"]
    assert await _names(client, q="%") == ["Both_100%"]
    assert await _names(client, q="_") == ["Both_100%"]
    assert await _names(client, q="stacklok", remote=True) == [GITHUB.name]
    assert await _names(client, q="x" * 255) == []


async def test_pages_follow_one_another_without_gap_or_repeat(
    client: httpx.AsyncClient, database: Database
) -> None:
    names = ["a/b", "a/B", "a", "b", "c/d"]
    await store(database, [], [RegistryEntry(name) for name in names])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while not seen or cursor:
        page = (await client.get(PATH, params={"limit": 2} | cursor)).json()
        seen += [entry["name"] for entry in page["mcp_registry"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert seen == sorted(names)


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "AAAA"},
        {"q": ""},
        {"q": "x" * 256},
        {"q": "\0"},
        {"remote": "maybe"},
        {"from_registry": True},
    ],
)
async def test_a_wrong_parameter_is_refused(client: httpx.AsyncClient, parameters: dict[str, Any]) -> None:
    answer = await client.get(PATH, params=parameters)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == f"/query/{next(iter(parameters))}"
