"""The server over HTTP, as agents and operators reach it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest
from cq_server import RunningServer, ask, failure, running
from fastmcp.exceptions import ToolError
from structlog.testing import capture_logs

from api_access.keys import new_token
from coldquery.keys import keys_file

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
JSON = {"accept": "application/json, text/event-stream"}


@pytest.fixture
async def server(shop: str, tmp_path: Path) -> AsyncGenerator[RunningServer]:
    async with running(shop, tmp_path) as server:
        yield server


async def test_what_is_for_operators_needs_no_key(server: RunningServer) -> None:
    async with server.http() as client:
        answers = {path: await client.get(path) for path in ("/livez", "/readyz", "/metrics", "/docs")}
        heads = [await client.head(path) for path in ("/livez", "/readyz")]
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["/readyz"].json() == {"status": "ok"}
    assert "http_requests_total{" in answers["/metrics"].text
    assert "cdn" not in answers["/docs"].text
    assert [head.status_code for head in heads] == [200, 200]


@pytest.mark.parametrize("key", [None, "fleet_abc_wrong"])
async def test_without_a_good_key_nothing_else_is_answered(server: RunningServer, key: str | None) -> None:
    async with server.http(key) as client:
        answers = [
            await client.post("/mcp", json=PING, headers=JSON),
            await client.get("/mcp"),
            await client.get("/api/v1/tools"),
        ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all(answer.headers["x-request-id"] for answer in answers)


async def test_no_way_to_write_the_path_goes_past_the_keys(server: RunningServer) -> None:
    # To a route, a path with a line break at its end is the same.
    paths = ["/mcp%0A", "/mcp%0a", "/api/v1/tools%0A", "/%6dcp%0A", "/mcp?a"]
    async with server.http() as client:
        answers = [await client.post(path, json=PING, headers=JSON) for path in paths]
    assert [answer.status_code for answer in answers] == [401] * len(paths)


async def test_a_key_that_may_read_is_told_of_the_tools_and_others_are_not(server: RunningServer) -> None:
    async with server.http(await server.key("read")) as client:
        listed = (await client.get("/api/v1/tools")).json()["tools"]
    async with server.http(await server.key("write")) as client:
        refused = await client.get("/api/v1/tools")
    assert [tool["tool"] for tool in listed] == ["pg_query", "pg_tx", "pg_schema", "pg_admin", "pg_monitor"]
    [write] = [action for action in listed[0]["actions"] if action["action"] == "write"]
    assert write["needs"] == ["sql"]
    assert set(write["takes"]) == {"sql", "params", "session_id", "autocommit", "max_rows", "timeout_ms"}
    assert refused.status_code == 403


async def test_hosts_and_origins_must_be_known(shop: str, tmp_path: Path) -> None:
    async with (
        running(shop, tmp_path, mcp_allowed_hosts="sql.example") as server,
        server.http(await server.key()) as client,
    ):
        for headers, status in (
            ({}, 200),
            ({"host": "sql.example"}, 200),
            ({"host": "other.example"}, 421),
            ({"origin": "https://other.example"}, 403),
        ):
            answer = await client.post("/mcp", json=PING, headers=JSON | headers)
            assert answer.status_code == status, headers


async def test_a_key_without_the_scope_write_reads_and_no_more(
    server: RunningServer, admin: asyncpg.Connection
) -> None:
    async with server.agent(await server.key("read")) as agent:
        assert (await ask(agent, "pg_query", "read", sql="select 7"))["rows"] == [[7]]
        change = {"sql": "delete from purchase", "autocommit": True}
        assert "write" in (await failure(agent, "pg_query", "write", **change))["message"]
        session_id = (await ask(agent, "pg_tx", "begin"))["session_id"]
        within = {"sql": "delete from purchase", "session_id": session_id}
        assert "write" in (await failure(agent, "pg_query", "write", **within))["message"]
        assert "write" in (await failure(agent, "pg_tx", "begin", read_only=False))["message"]
        await ask(agent, "pg_tx", "rollback", session_id=session_id)
    assert await admin.fetchval("select count(*) from purchase") == 1000


async def test_a_key_without_the_scope_read_calls_no_tool_and_reads_no_resource(
    server: RunningServer,
) -> None:
    async with server.agent(await server.key("write")) as agent:
        with pytest.raises(ToolError, match="scope 'read'"):
            await ask(agent, "pg_query", "write", sql="delete from purchase", autocommit=True)
        with pytest.raises(Exception, match="scope 'read'"):
            await agent.read_resource("postgres://schema/tables")


async def test_a_session_is_that_of_its_key_alone(server: RunningServer) -> None:
    async with server.agent(await server.key()) as one, server.agent(await server.key()) as other:
        session_id = (await ask(one, "pg_tx", "begin"))["session_id"]
        stolen = await failure(other, "pg_query", "read", sql="select 1", session_id=session_id)
        unknown = await failure(other, "pg_query", "read", sql="select 1", session_id="x")
        assert stolen["message"].replace(session_id, "x") == unknown["message"]
        assert (await ask(other, "pg_tx", "list"))["sessions"] == []
        await ask(one, "pg_query", "read", sql="select 1", session_id=session_id)
        await ask(one, "pg_tx", "commit", session_id=session_id)


async def test_beyond_its_limit_a_call_is_refused_and_the_connection_goes_on(server: RunningServer) -> None:
    async with server.agent(await server.key("read", limit="2/day")) as agent:
        for _ in range(2):
            await ask(agent, "pg_query", "read", sql="select 1")
        with pytest.raises(ToolError, match="The limit for query requests with this key is 2/day"):
            await ask(agent, "pg_query", "read", sql="select 1")
        assert len(await agent.list_tools()) == 5


async def test_a_database_that_is_away_is_named_without_its_secrets_and_does_not_stop_the_start(
    tmp_path: Path,
) -> None:
    # Nobody listens on the port of discard.
    async with running("postgresql://me:hidden@127.0.0.1:9/shop", tmp_path) as server:
        async with server.http() as client:
            with capture_logs() as logs:
                answer = await client.get("/readyz")
            assert (await client.get("/livez")).status_code == 200
        async with server.agent(await server.key()) as agent:
            refused = await failure(agent, "pg_query", "read", sql="select 1")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("The database cannot be used; see DATABASE_URL or DB_HOST.")
    [reason] = [line["reason"] for line in logs if line["event"] == "the database cannot be used"]
    assert "ConnectionRefusedError" in reason
    assert "hidden" not in reason
    for told in (answer.text, str(refused)):
        assert "hidden" not in told
        assert "127.0.0.1" not in told


async def test_keys_that_cannot_be_looked_up_are_named_and_let_nobody_in(shop: str, tmp_path: Path) -> None:
    for keys, told in (
        (shop, "The database of the API keys is not up to date: run `coldquery migrate`."),
        (
            "postgresql://me:hidden@127.0.0.1:9/keys",
            "The database of the API keys does not answer; see ACCESS_DATABASE_URL.",
        ),
    ):
        async with (
            running(shop, tmp_path, migrated=False, access_database_url=keys) as server,
            server.http() as client,
        ):
            ready = await client.get("/readyz")
            refused = await client.get("/api/v1/tools", headers={"X-API-Key": new_token()[1]})
        assert (ready.status_code, ready.json()["detail"]) == (503, told)
        assert refused.status_code == 503


async def test_keys_may_be_in_postgresql(shop: str, tmp_path: Path) -> None:
    async with (
        running(shop, tmp_path, access_database_url=shop) as server,
        server.http(await server.key("read")) as client,
    ):
        assert (await client.get("/api/v1/tools")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
    assert not keys_file(server.settings).exists()
