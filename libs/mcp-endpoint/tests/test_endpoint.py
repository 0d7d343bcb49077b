import logging

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools import Tool
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.routing import Route

from mcp_endpoint import ArgumentErrors, endpoint, output_schema

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
JSON = {"accept": "application/json, text/event-stream"}


class Sum(BaseModel):
    total: int = 0
    parts: list[int] = Field(default_factory=list)


def add(first: int, second: int) -> Sum:
    """The sum of two numbers."""
    return Sum(total=first + second, parts=[first, second])


@pytest.fixture
def server() -> FastMCP[None]:
    tool = Tool.from_function(add, output_schema=output_schema(Sum))
    return FastMCP("sums", tools=[tool], middleware=[ArgumentErrors()])


async def test_arguments_that_are_not_acceptable_are_told_in_plain_words(server: FastMCP[None]) -> None:
    async with Client(server) as client:
        with pytest.raises(ToolError) as raised:
            await client.call_tool("add", {"first": "a"})
    assert str(raised.value).startswith("first: Input should be a valid integer")
    assert "; second: Missing required argument" in str(raised.value)


async def test_the_schema_of_an_answer_has_no_defaults(server: FastMCP[None]) -> None:
    async with Client(server) as client:
        [tool] = await client.list_tools()
    assert tool.output_schema
    assert "default" not in str(tool.output_schema)
    assert set(tool.output_schema["properties"]) == {"total", "parts"}


def test_a_part_of_an_answer_may_be_named_default() -> None:
    class Branches(BaseModel):
        default: str
        others: list[str] = []

    schema = output_schema(Branches)
    assert schema["properties"]["default"] == {"type": "string"}
    assert schema["required"] == ["default"]
    assert "default" not in schema["properties"]["others"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1"}, 200),
        ({"host": "sums.example"}, 200),
        ({"host": "other.example"}, 421),
        ({"host": "sums.example", "origin": "https://sums.example"}, 200),
        ({"host": "127.0.0.1", "origin": "https://other.example"}, 403),
    ],
)
async def test_only_known_hosts_and_origins_are_answered(
    server: FastMCP[None], headers: dict[str, str], status: int
) -> None:
    mcp = endpoint(server, "/mcp", ["sums.example"])
    app = Starlette(routes=[Route("/mcp", mcp)], lifespan=mcp.lifespan)
    async with (
        LifespanManager(app, startup_timeout=60, shutdown_timeout=60) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url="http://127.0.0.1") as client,
    ):
        answer = await client.post("/mcp", json=PING, headers=JSON | headers)
    assert answer.status_code == status, answer.text


def test_the_libraries_log_where_the_process_does(server: FastMCP[None]) -> None:
    logger = logging.getLogger("fastmcp")
    logger.addHandler(logging.NullHandler())
    endpoint(server, "/mcp", [])
    assert (logger.handlers, logger.propagate) == ([], True)
