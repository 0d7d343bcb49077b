"""The five tools, as an agent sees and uses them, over HTTP and on standard streams."""

import json
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg
import jsonschema
import pytest
from cq_server import Agent, ask, failure, running
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError

from coldquery.actions.context import Context
from coldquery.app import service_on
from coldquery.caller import LOCAL
from coldquery.mcp.registered import REGISTRY
from coldquery.mcp.registry import Registry
from coldquery.mcp.server import mcp_server
from coldquery.settings import Settings

PARAMETERS = {
    "pg_query": "action sql params analyze operations session_id autocommit max_rows timeout_ms cursor",
    "pg_tx": "action session_id isolation_level read_only savepoint_name",
    "pg_schema": "action target name schema sql limit offset include_sizes cascade if_exists if_not_exists "
    "session_id autocommit",
    "pg_admin": "action table full verbose setting_name setting_value category session_id autocommit",
    "pg_monitor": "action include_idle database limit",
}
ACTIONS = {
    "pg_query": "read write explain transaction",
    "pg_tx": "begin commit rollback savepoint release list",
    "pg_schema": "list describe create alter drop",
    "pg_admin": "vacuum analyze reindex stats settings",
    "pg_monitor": "health activity connections locks size slow_queries index_health vacuum_health",
}


@pytest.fixture(params=["http", "stdio"])
async def agent(request: pytest.FixtureRequest, shop: str, tmp_path: Path) -> AsyncGenerator[Agent]:
    """An agent that may write, over either transport."""
    if request.param == "http":
        async with running(shop, tmp_path) as server, server.agent(await server.key()) as agent:
            yield agent
        return
    command = ["-P", "-m", "coldquery", "serve", "--stdio"]
    environment = os.environ | {"DATABASE_URL": shop, "COLDQUERY_DATA_DIR": str(tmp_path)}
    transport = StdioTransport(sys.executable, command, env=environment, log_file=tmp_path / "log")
    async with Client(transport, timeout=60, init_timeout=60) as agent:
        yield agent


@pytest.fixture
async def in_memory(shop: str) -> AsyncGenerator[Agent]:
    service = service_on({"dsn": shop}, Settings())
    await service.connections.start()
    async with Client(mcp_server(service, REGISTRY, lambda: LOCAL)) as agent:
        yield agent
    await service.connections.stop()


async def test_tools_have_the_parameters_and_actions_of_the_contract(in_memory: Agent) -> None:
    tools = {tool.name: tool for tool in await in_memory.list_tools()}
    assert {name: set(tool.input_schema["properties"]) for name, tool in tools.items()} == {
        name: set(parameters.split()) for name, parameters in PARAMETERS.items()
    }
    assert {name: tool.input_schema["properties"]["action"]["enum"] for name, tool in tools.items()} == {
        name: actions.split() for name, actions in ACTIONS.items()
    }
    assert {tool: list(actions) for tool, actions in REGISTRY.tools().items()} == {
        name: actions.split() for name, actions in ACTIONS.items()
    }
    for name, actions in REGISTRY.tools().items():
        taken = {parameter for action in actions.values() for parameter in action.takes}
        assert taken == set(PARAMETERS[name].split()) - {"action"}, name


async def test_tools_tell_what_an_agent_has_to_know(in_memory: Agent) -> None:
    for tool in await in_memory.list_tools():
        assert tool.title
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude={"title"})
        assert {type(hint) for hint in hints.values()} == {bool}
        assert tool.annotations.read_only_hint is (tool.name == "pg_monitor")
        assert tool.input_schema["additionalProperties"] is False
        assert all(
            "description" in told
            for name, told in tool.input_schema["properties"].items()
            if name != "action"
        )
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        assert tool.description
        assert '{"action": ' in tool.description


async def test_one_agent_drives_all_five_tools(agent: Agent, admin: asyncpg.Connection) -> None:
    schemas = {tool.name: tool.output_schema or {} for tool in await agent.list_tools()}

    async def told(tool: str, action: str, **arguments: Any) -> dict[str, Any]:
        answer = await ask(agent, tool, action, **arguments)
        jsonschema.validate(answer, schemas[tool])
        return answer

    one = {"sql": "select id, name from customer where id = $1", "params": [7]}
    assert (await told("pg_query", "read", **one))["rows"] == [[7, "customer 7"]]
    page = await told("pg_query", "read", sql="select id from customer order by id", max_rows=60)
    rest = await told("pg_query", "read", cursor=page["cursor"])
    assert [len(page["rows"]), len(rest["rows"]), rest["truncated"]] == [60, 40, False]
    assert (await told("pg_query", "explain", **one))["plan"]

    session = {"session_id": (await told("pg_tx", "begin"))["session_id"]}
    assert len((await told("pg_tx", "list"))["sessions"]) == 1
    await told("pg_tx", "savepoint", savepoint_name="s", **session)
    gone = await told("pg_query", "write", sql="delete from purchase", **session)
    assert gone["rows_affected"] == 1000
    await told("pg_tx", "rollback", savepoint_name="s", **session)
    await told("pg_query", "write", sql="update customer set name = 'seven' where id = 7", **session)
    await told("pg_tx", "commit", **session)
    assert await admin.fetchval("select name from customer where id = 7") == "seven"
    assert await admin.fetchval("select count(*) from purchase") == 1000

    operations = [{"sql": "insert into customer values ($1, $2)", "params": [n, "new"]} for n in (101, 102)]
    done = await told("pg_query", "transaction", operations=operations, autocommit=True)
    assert [result["rows_affected"] for result in done["results"]] == [1, 1]

    tables = await told("pg_schema", "list")
    assert "customer" in json.dumps(tables)
    assert "purchase_of" in json.dumps(await told("pg_schema", "describe", name="purchase"))
    await told("pg_schema", "create", sql="create table note (body text)", autocommit=True)
    await told("pg_schema", "alter", sql="alter table note add at date", autocommit=True)
    await told("pg_schema", "drop", target="table", name="note", autocommit=True)
    await told("pg_admin", "vacuum", table="purchase", autocommit=True)
    await told("pg_admin", "analyze", table="purchase", autocommit=True)
    await told("pg_admin", "reindex", table="purchase", autocommit=True)
    await told("pg_admin", "stats", table="purchase")
    assert "work_mem" in json.dumps(await told("pg_admin", "settings", setting_name="work_mem"))
    for action in ACTIONS["pg_monitor"].split():
        if action != "slow_queries":
            await told("pg_monitor", action)


async def test_resources_are_what_the_actions_answer(agent: Agent, admin: asyncpg.Connection) -> None:
    await admin.execute("""create schema "a/b"; create table "a/b"."c d%..é" (i int)""")
    for uri, tool, action, arguments in (
        ("postgres://schema/tables", "pg_schema", "list", {}),
        ("postgres://schema/public/customer", "pg_schema", "describe", {"name": "customer"}),
        (
            "postgres://schema/a%2Fb/c%20d%25..%C3%A9",
            "pg_schema",
            "describe",
            {"schema": "a/b", "name": "c d%..é"},
        ),
    ):
        [content] = await agent.read_resource(uri)
        assert json.loads(content.text) == await ask(agent, tool, action, **arguments)  # pyright: ignore[reportAttributeAccessIssue]  # a text
    for uri in ("postgres://monitor/health", "postgres://monitor/activity"):
        [content] = await agent.read_resource(uri)
        assert json.loads(content.text)  # pyright: ignore[reportAttributeAccessIssue]  # a text
    with pytest.raises(Exception, match="nothing"):
        await agent.read_resource("postgres://schema/public/nothing")


async def test_prompts_have_the_agent_use_the_tools(in_memory: Agent) -> None:
    slow = await in_memory.get_prompt("analyze_query_performance", {"sql": "select 42"})
    locks = await in_memory.get_prompt("debug_lock_contention")
    assert "select 42" in str(slow.messages)
    assert "pg_query action `explain`" in str(slow.messages)
    assert "pg_monitor action `locks`" in str(locks.messages)
    with pytest.raises(Exception, match=r"^The prompt analyze_query_performance needs sql\.$"):
        await in_memory.get_prompt("analyze_query_performance")


async def test_what_postgresql_says_comes_as_fields_and_in_words(in_memory: Agent) -> None:
    error = await failure(in_memory, "pg_query", "read", sql="select nam from customer")
    assert error["sqlstate"] == "42703"
    assert error["position"] == 8
    assert 'column "nam" does not exist' in error["message"]
    assert error.keys() <= {"message", "sqlstate", "position", "hint", "detail"}
    answer = await in_memory.call_tool(
        "pg_query", {"action": "read", "sql": "select nam from customer"}, raise_on_error=False
    )
    text = answer.content[0].text  # pyright: ignore[reportAttributeAccessIssue]  # a text
    assert "(SQLSTATE 42703)" in text
    assert "Position: 8" in text


async def test_the_operation_that_fails_is_told(in_memory: Agent, admin: asyncpg.Connection) -> None:
    operations = [{"sql": "delete from purchase"}, {"sql": "select 1/0"}]
    error = await failure(in_memory, "pg_query", "transaction", operations=operations, autocommit=True)
    assert (error["operation"], error["sqlstate"]) == (1, "22012")
    assert await admin.fetchval("select count(*) from purchase") == 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"action": "reads"}, "action: Input should be 'read', 'write', 'explain' or 'transaction'"),
        ({}, "action: Missing required argument"),
        ({"action": "read", "query": "select 1"}, "query: Unexpected keyword argument"),
        ({"action": "read", "sql": "select 1", "max_rows": 0}, "max_rows: Input should be greater"),
        ({"action": "transaction", "operations": [{"sql": "x", "a": 1}]}, "operations.0.a: Extra inputs"),
        ({"action": "read", "sql": "select 1", "analyze": True}, "pg_query read does not take analyze."),
        ({"action": "explain"}, "pg_query explain needs sql."),
        (
            {"action": "read", "sql": "selec 1"},
            'syntax error at or near "selec" (SQLSTATE 42601)\nPosition: 1',
        ),
    ],
)
async def test_arguments_that_are_not_acceptable_are_told(
    in_memory: Agent, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ToolError) as raised:
        await in_memory.call_tool("pg_query", arguments)
    assert words in str(raised.value)


@pytest.mark.parametrize("action", [action for action in ACTIONS["pg_monitor"].split() if action != "health"])
async def test_what_is_monitored_is_told_in_as_many_entries_as_may_be_asked_for(
    in_memory: Agent, action: str
) -> None:
    for limit in (1, 200):
        await ask(in_memory, "pg_monitor", action, limit=limit)
    for limit in (0, 201):
        with pytest.raises(ToolError, match=r"^limit: Input should be"):
            await ask(in_memory, "pg_monitor", action, limit=limit)


async def broken(_context: Context) -> dict[str, Any]:
    raise RuntimeError("postgresql://me:hidden@db")


async def test_of_what_should_not_happen_an_agent_learns_that_it_failed_and_no_more(shop: str) -> None:
    handlers = {
        tool: {name: action.handler for name, action in actions.items()}
        for tool, actions in REGISTRY.tools().items()
    }
    registry = Registry(handlers | {"pg_tx": {"list": broken}})
    service = service_on({"dsn": shop}, Settings())
    async with Client(mcp_server(service, registry, lambda: LOCAL)) as agent:
        with pytest.raises(ToolError) as raised:
            await agent.call_tool("pg_tx", {"action": "list"})
    assert "hidden" not in str(raised.value)
    assert "pg_tx" in str(raised.value)
