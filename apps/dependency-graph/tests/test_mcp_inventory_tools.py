"""The MCP servers of the fleet as an agent finds them."""

from typing import Any

import pytest
from mcp_agent import Agent, agent_of, ask, refusal
from stored_inventory import GITHUB, OWN_GITHUB, container, remote, store

from dependency_graph.domain.mcp_server import Match
from dependency_graph.infrastructure.database import Database

SEVERAL = [
    OWN_GITHUB,
    remote("github", "team-a", match=Match(GITHUB.name)),
    container("own", status="stopped"),
]


async def _names(agent: Agent, **arguments: Any) -> list[str]:
    return [server["name"] for server in (await ask(agent, "list_mcp_servers", **arguments))["mcp_servers"]]


async def test_servers_are_listed_by_all_conditions_and_page_by_page(
    agent: Agent, database: Database
) -> None:
    await store(database, SEVERAL)
    assert await _names(agent) == ["github", "own", "team-a/github"]
    assert await _names(agent, from_registry=False) == ["own"]
    assert await _names(agent, group="default", remote=True) == ["github"]
    assert await _names(agent, status="stopped") == ["own"]
    first = await ask(agent, "list_mcp_servers", limit=2)
    assert await _names(agent, limit=2, cursor=first["next_cursor"]) == ["team-a/github"]


@pytest.mark.parametrize("name", ["github", "team-a/github"])
async def test_a_server_is_told_with_its_entry_and_its_place_in_the_graph(
    agent: Agent, database: Database, name: str
) -> None:
    await store(database, SEVERAL)
    told = await ask(agent, "get_mcp_server", name=name)
    assert (told["name"], told["service_id"]) == (name, f"mcp:{name}")
    assert told["registry_entry"]["workloads"] == ["github", "team-a/github"]


async def test_a_server_that_the_registry_does_not_know_has_no_entry(
    agent: Agent, database: Database
) -> None:
    await store(database, SEVERAL)
    told = await ask(agent, "get_mcp_server", name="own")
    assert (told["from_registry"], told["registry_entry"]) == (False, None)


async def test_an_unknown_server_is_an_error_that_says_how_to_find_it(agent: Agent) -> None:
    told = await refusal(agent, "get_mcp_server", name="x" * 317)
    assert told.startswith("There is no MCP server 'xxx")
    assert told.endswith("Call list_mcp_servers, and take the `name` from there.")


@pytest.mark.parametrize("name", ["", "x" * 318, "a\0", "\ud800"])
async def test_a_name_that_cannot_be_one_is_an_argument_error(agent: Agent, name: str) -> None:
    assert (await refusal(agent, "get_mcp_server", name=name)).startswith("name: ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "x" * 65},
        {"group": ""},
        {"remote": "maybe"},
        {"from_registry": 2},
        {"cursor": "rubbish"},
        {"q": "x"},
    ],
)
async def test_a_wrong_argument_is_named(agent: Agent, wrong: dict[str, Any]) -> None:
    assert (await refusal(agent, "list_mcp_servers", **wrong)).startswith(f"{next(iter(wrong))}: ")


async def test_a_database_that_is_away_is_told_as_such() -> None:
    gone = Database("postgresql://nobody:x@127.0.0.1:1/nothing", 1, 0)
    async with agent_of(gone) as agent:
        for tool, arguments in (("list_mcp_servers", {}), ("get_mcp_server", {"name": "github"})):
            assert "database cannot be reached" in await refusal(agent, tool, **arguments)
    await gone.close()


async def test_an_agent_is_told_of_the_tools_at_the_start(agent: Agent) -> None:
    assert "list_mcp_servers" in (agent.instructions or "")
