"""What an agent is told when a call cannot be answered."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from factories import NOON, batch
from fastmcp import Client
from mcp import MCPError
from mcp_agent import Agent, agent_of, ask, refusal, serving

from dependency_graph.application.ingest import ingest
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.postgres_graph import graph_transaction
from dependency_graph.mcp.server import mcp_server
from dependency_graph.mcp.walking_tools import MOST_BYTES


async def test_faults_of_arguments_are_named_each_and_nothing_is_stored(agent: Agent) -> None:
    nodes = [{"service_id": "a", "team": "t"}, {"service_id": ""}]
    told = await refusal(agent, "ingest_dependencies", source="hearsay", nodes=nodes, edge=[])
    for place in (
        "source: ",
        "nodes.0.team: ",
        "nodes.1.service_id: a service id must not be empty",
        "edge: ",
    ):
        assert place in told
    assert "pydantic" not in told
    assert (await ask(agent, "find_services"))["services"] == []


async def test_many_faults_are_counted_not_listed(agent: Agent) -> None:
    nodes = [{"service_id": ""}] * 21
    assert "more faults" not in await refusal(agent, "ingest_dependencies", source="manual", nodes=nodes[:20])
    told = await refusal(agent, "ingest_dependencies", source="manual", nodes=nodes)
    assert told.endswith("and 1 more faults")


@pytest.mark.parametrize("hostile", ["", " a", "a\0", "\ud800", "a" * 256, "\u202ea"])
async def test_an_id_that_cannot_be_one_is_an_argument_error(agent: Agent, hostile: str) -> None:
    assert (await refusal(agent, "query_dependencies", service_id=hostile)).startswith("service_id: ")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("query_dependencies", {"service_id": "nowhere"}),
        ("analyze_impact", {"service_id": "nowhere"}),
        ("find_paths", {"source": "nowhere", "target": "a"}),
        ("find_paths", {"source": "a", "target": "nowhere"}),
    ],
)
async def test_an_unknown_service_is_an_error_that_says_how_to_find_it(
    agent: Agent, cyclic: None, tool: str, arguments: dict[str, Any]
) -> None:
    told = await refusal(agent, tool, **arguments)
    assert "There is no service 'nowhere'. Call find_services" in told


async def _register(database: Database, text: str) -> None:
    async with graph_transaction(database) as graph:
        await ingest(batch("ab", nodes={"b": {"text": text}}), graph, NOON)


async def _told_bytes(agent: Agent) -> int:
    [content] = (await agent.call_tool("query_dependencies", {"service_id": "a"})).content
    assert content.type == "text"
    return len(content.text)


async def test_an_answer_of_two_megabytes_is_told_and_one_byte_more_is_refused(
    agent: Agent, database: Database
) -> None:
    await _register(database, "")
    longest = "x" * (MOST_BYTES - await _told_bytes(agent))
    await _register(database, longest)
    assert await _told_bytes(agent) == MOST_BYTES
    await _register(database, longest + "x")
    told = await refusal(agent, "query_dependencies", service_id="a")
    assert told.startswith(f"The answer has {MOST_BYTES + 1:,} bytes")
    assert told.endswith("Ask for less: a smaller `depth`, one `direction` or a smaller `limit`.")


@pytest.fixture
async def homeless() -> AsyncGenerator[Agent]:
    """An agent of a service whose database is not there."""
    gone = Database("postgresql://nobody:x@127.0.0.1:1/nothing", 1, 0)
    async with agent_of(gone) as agent:
        yield agent
    await gone.close()


async def test_a_database_that_is_away_is_told_as_such(homeless: Agent) -> None:
    told = await refusal(homeless, "query_dependencies", service_id="a")
    assert told == "The database cannot be reached; what was sent is not stored. Try again in a moment."
    assert await refusal(homeless, "ingest_dependencies", source="manual") == told
    with pytest.raises(MCPError, match="database cannot be reached"):
        await homeless.read_resource("service://a")


async def test_of_a_fault_of_ours_an_agent_learns_no_more_than_that_it_is_there(database: Database) -> None:
    def broken() -> Any:
        raise RuntimeError("secret")

    service = replace(serving(database), transaction=broken)
    async with Client(mcp_server(service)) as agent:
        told = await refusal(agent, "ingest_dependencies", source="manual")
    assert told == "Error calling tool 'ingest_dependencies'"
