"""A service as a resource."""

import json
from urllib.parse import quote

import pytest
from mcp import MCPError
from mcp_agent import Agent, ask
from mcp_types import TextResourceContents


@pytest.mark.parametrize("name", ["b", "component:default/checkout", "/../etc", "a b?c#d%2F", "поиск"])
async def test_a_service_is_a_resource_whatever_its_id(agent: Agent, name: str) -> None:
    await ask(agent, "ingest_dependencies", source="manual", nodes=[{"service_id": name}])
    (content,) = await agent.read_resource(f"service://{quote(name, safe='')}")
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    found = await ask(agent, "find_services", q=name)
    assert [json.loads(content.text)] == found["services"]


@pytest.mark.parametrize("name", ["nowhere", "%20a", "%00", "%FF"])
async def test_a_resource_that_is_not_there_is_told_as_mcp_has_it(agent: Agent, name: str) -> None:
    with pytest.raises(MCPError) as raised:
        await agent.read_resource(f"service://{name}")
    assert raised.value.error.code == -32602
