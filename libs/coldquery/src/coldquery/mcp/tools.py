"""The five tools; their docstrings are what an agent reads."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog
from fastmcp.tools import Tool, ToolResult
from fastmcp.utilities.json_schema import dereference_refs
from mcp_types import TextContent, ToolAnnotations
from pydantic_core import to_json

from coldquery.actions.context import Context
from coldquery.errors import ColdQueryError
from coldquery.mcp import parameters as p
from coldquery.mcp.failures import failed
from coldquery.mcp.registry import Registry
from mcp_endpoint import output_schema

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
# What one of its actions may do is what is said of the tool.
_WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)


class Tools:
    """The tools on `registry`; `context` tells for each call who asks, and what there is to work with."""

    def __init__(self, registry: Registry, context: Callable[[], Context]) -> None:
        self._registry = registry
        self._context = context

    async def pg_query(
        self,
        action: Literal["read", "write", "explain", "transaction"],
        sql: p.Sql = None,
        params: p.Params = None,
        analyze: p.Analyze = None,
        operations: p.Operations = None,
        session_id: p.SessionId = None,
        autocommit: p.Autocommit = None,
        max_rows: p.MaxRows = None,
        timeout_ms: p.TimeoutMs = None,
        cursor: p.Cursor = None,
    ) -> ToolResult:
        """Run SQL. `read` for anything that only reads; the others for what does more.

        - read: rows of one SELECT, WITH, VALUES, TABLE, SHOW or EXPLAIN. `rows` are arrays in the order of
          `columns`; where `truncated` is true, call again with `cursor` alone for the rows after those.
        - write: any other statement, DDL too, with `session_id` or `autocommit: true`.
        - explain: the plan of `sql` as JSON; with `analyze` it is run.
        - transaction: `operations` in order, all or none, with `session_id` or `autocommit: true`.

        Example: {"action": "read", "sql": "select name from customer where id = $1", "params": [7]}
        """
        given = {"sql": sql, "params": params, "analyze": analyze, "operations": operations}
        given |= {"max_rows": max_rows, "timeout_ms": timeout_ms, "cursor": cursor}
        return await self._run("pg_query", action, given | _where(session_id, autocommit))

    async def pg_tx(
        self,
        action: Literal["begin", "commit", "rollback", "savepoint", "release", "list"],
        session_id: p.SessionId = None,
        isolation_level: p.Isolation = None,
        read_only: p.ReadOnly = None,
        savepoint_name: p.SavepointName = None,
    ) -> ToolResult:
        """A transaction over several calls, as a session: nothing of it is seen by others before `commit`.

        `begin` gives the `session_id` for the other tools. `commit` and `rollback` end the session; `rollback`
        with `savepoint_name` goes back to that savepoint and goes on. A session that is not used is rolled back
        after a while; `list` tells which you have. End each that you begin: there may be few.

        Example: {"action": "begin", "isolation_level": "repeatable read", "read_only": true}
        """
        given = {"isolation_level": isolation_level, "read_only": read_only}
        given |= {"session_id": session_id, "savepoint_name": savepoint_name}
        return await self._run("pg_tx", action, given)

    async def pg_schema(
        self,
        action: Literal["list", "describe", "create", "alter", "drop"],
        target: p.Target = None,
        name: p.Name = None,
        schema: p.Schema = None,
        sql: p.Sql = None,
        limit: p.Limit = None,
        offset: p.Offset = None,
        include_sizes: p.IncludeSizes = None,
        cascade: p.Cascade = None,
        if_exists: p.IfExists = None,
        if_not_exists: p.IfNotExists = None,
        session_id: p.SessionId = None,
        autocommit: p.Autocommit = None,
    ) -> ToolResult:
        """What is in the database, and changes to it.

        - list: the objects of one kind, `target`. describe: columns, keys, indexes and more of one, by `name`.
        - create, alter: one CREATE or ALTER statement in `sql`. drop: the object `target` `name`.
          These write: they need `session_id` or `autocommit: true`.

        Example: {"action": "describe", "target": "table", "name": "customer", "schema": "public"}
        """
        given = {"target": target, "name": name, "schema": schema, "sql": sql, "limit": limit}
        given |= {"offset": offset, "include_sizes": include_sizes, "cascade": cascade}
        given |= {"if_exists": if_exists, "if_not_exists": if_not_exists}
        return await self._run("pg_schema", action, given | _where(session_id, autocommit))

    async def pg_admin(
        self,
        action: Literal["vacuum", "analyze", "reindex", "stats", "settings"],
        table: p.Table = None,
        full: p.Full = None,
        verbose: p.Verbose = None,
        setting_name: p.SettingName = None,
        setting_value: p.SettingValue = None,
        category: p.Category = None,
        session_id: p.SessionId = None,
        autocommit: p.Autocommit = None,
    ) -> ToolResult:
        """Maintenance: `vacuum`, `analyze` and `reindex` a table, its `stats`, and the server's `settings`.

        `stats` and `settings` without `setting_value` only read; all else needs `session_id` or
        `autocommit: true`. `vacuum` cannot be done in a session.

        Example: {"action": "vacuum", "table": "public.purchase", "autocommit": true}
        """
        given = {"table": table, "full": full, "verbose": verbose, "category": category}
        given |= {"setting_name": setting_name, "setting_value": setting_value}
        return await self._run("pg_admin", action, given | _where(session_id, autocommit))

    async def pg_monitor(
        self,
        action: Literal[
            "health",
            "activity",
            "connections",
            "locks",
            "size",
            "slow_queries",
            "index_health",
            "vacuum_health",
        ],
        include_idle: p.IncludeIdle = None,
        database: p.Database = None,
        limit: p.Entries = None,
    ) -> ToolResult:
        """How the server is doing right now; reads only.

        Begin with `health`. `activity` tells what runs, `locks` who waits for whom, `slow_queries` what took
        longest (with pg_stat_statements), `index_health` and `vacuum_health` what needs care.

        Example: {"action": "locks"}
        """
        given = {"include_idle": include_idle, "database": database, "limit": limit}
        return await self._run("pg_monitor", action, given)

    async def _run(self, tool: str, action: str, given: Mapping[str, Any]) -> ToolResult:
        try:
            answer = await self._registry.run(tool, action, self._context(), given)
        except ColdQueryError as error:
            # The agent is told; to the log it is no error of ours.
            _log.info("refused", tool=tool, action=action, kind=type(error).__name__)
            return failed(error)
        text = TextContent(type="text", text=to_json(answer).decode())
        return ToolResult(content=[text], structured_content=dict(answer))


def tools_of(registry: Registry, context: Callable[[], Context]) -> list[Tool]:
    """The tools for a FastMCP server, with titles, hints, and the schema of what they answer."""
    tools = Tools(registry, context)
    told = [
        (tools.pg_query, "Run SQL", _WRITES),
        (tools.pg_tx, "Transactions over several calls", _WRITES),
        (tools.pg_schema, "Tables and other objects", _WRITES),
        (tools.pg_admin, "Maintenance", _WRITES),
        (tools.pg_monitor, "How the server is doing", _READS),
    ]
    return [
        _without_references(
            Tool.from_function(
                tool,
                title=title,
                annotations=hints.model_copy(update={"title": title}),
                output_schema=_schema(registry.answer(tool.__name__)),
            )
        )
        for tool, title, hints in told
    ]


def _without_references(tool: Tool) -> Tool:
    # FastMCP lists the tools with each call of one, and would resolve them every time.
    return tool.model_copy(update={"parameters": dereference_refs(tool.parameters)})


def _where(session_id: str | None, autocommit: bool | None) -> dict[str, Any]:
    return {"session_id": session_id, "autocommit": autocommit}


def _schema(answer: Any) -> dict[str, Any]:
    # MCP wants an object, which a choice of several objects does not say of itself.
    return {"type": "object"} | output_schema(answer)
