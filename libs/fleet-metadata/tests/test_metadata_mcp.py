import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import jsonschema
import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from mcp import MCPError
from told_collectors import Told, ToldFromAfar, client_of

from fleet_metadata import CollectionFailed, Collector, NotApplicable
from fleet_metadata.collection.board import Board
from fleet_metadata.mcp.one_token import OneToken
from fleet_metadata.mcp.server import mcp_server


@asynccontextmanager
async def agent_of(*collectors: Collector) -> AsyncGenerator[Client[Any]]:
    board = Board(collectors)
    async with Client(mcp_server(board)) as agent:
        yield agent
    await board.stop()


async def test_both_tools_only_read_and_tell_what_they_answer() -> None:
    async with agent_of(Told()) as agent:
        tools = {tool.name: tool for tool in await agent.list_tools()}
    assert set(tools) == {"collect_metadata", "list_metadata_keys"}
    for tool in tools.values():
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert tool.annotations.idempotent_hint
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint
        assert tool.output_schema
        assert tool.description


async def test_all_is_collected_and_fits_the_schema_that_was_told() -> None:
    async with agent_of(Told(), ToldFromAfar()) as agent:
        [schema] = [
            tool.output_schema for tool in await agent.list_tools() if tool.name == "collect_metadata"
        ]
        result = await agent.call_tool("collect_metadata")
    assert result.structured_content is not None
    jsonschema.validate(result.structured_content, schema or {})
    values = {key: entry["value"] for key, entry in result.structured_content["data"].items()}
    assert values == {"git_branch": "main", "git_dirty_files": 2, "github_pr_number": 810}
    assert json.loads(result.content[0].text) == result.structured_content  # pyright: ignore[reportAttributeAccessIssue]  # a text


async def test_one_key_is_collected_and_no_other_collector_is_asked() -> None:
    github = ToldFromAfar()
    async with agent_of(Told(), github) as agent:
        result = await agent.call_tool("collect_metadata", {"key": "git_branch"})
    assert result.structured_content is not None
    assert set(result.structured_content["data"]) == {"git_branch"}
    assert github.collections == 0


async def test_keys_that_apply_are_listed_even_when_their_collector_fails() -> None:
    apart = ToldFromAfar(told=NotApplicable("no remote"))
    async with agent_of(Told(told=CollectionFailed("broken")), apart) as agent:
        listed = (await agent.call_tool("list_metadata_keys")).structured_content
    assert listed is not None
    assert [(key["key"], key["collector"]) for key in listed["keys"]] == [
        ("git_branch", "git"),
        ("git_dirty_files", "git"),
    ]


@pytest.mark.parametrize(
    ("key", "error"),
    [("nothing", "There is no key 'nothing'"), ("git_branch", "git: broken"), (7, "key: Input should be")],
)
async def test_what_cannot_be_told_is_an_error_that_says_why(key: object, error: str) -> None:
    async with agent_of(Told(told=CollectionFailed("broken"))) as agent:
        with pytest.raises(ToolError, match=error):
            await agent.call_tool("collect_metadata", {"key": key})


async def test_each_key_is_a_resource() -> None:
    async with agent_of(Told()) as agent:
        [template] = await agent.list_resource_templates()
        [content] = await agent.read_resource("metadata://git_branch")
        with pytest.raises(MCPError, match="no key 'nothing'"):
            await agent.read_resource("metadata://nothing")
    assert template.uri_template == "metadata://{key}"
    assert json.loads(content.text)["value"] == "main"  # pyright: ignore[reportAttributeAccessIssue]  # a text


async def test_the_endpoint_refuses_foreign_hosts_and_origins() -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"accept": "application/json, text/event-stream"}
    async with client_of(Told(), mcp_allowed_hosts="fleet.example") as client:
        for headers, status in (
            ({}, 200),
            ({"host": "fleet.example"}, 200),
            ({"host": "other.example"}, 421),
            ({"origin": "https://other.example"}, 403),
        ):
            assert (await client.post("/mcp", json=ping, headers=accept | headers)).status_code == status


async def test_the_one_token_is_good_and_no_other() -> None:
    verifier = OneToken("secret-token")
    assert await verifier.verify_token("secret-token")
    assert await verifier.verify_token("secret-tokem") is None
    assert await verifier.verify_token("é") is None
