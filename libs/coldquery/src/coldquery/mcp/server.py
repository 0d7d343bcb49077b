from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.http import StarletteWithLifespan
from fastmcp.server.middleware import Middleware

from coldquery.actions.context import Context
from coldquery.audit import Audit
from coldquery.caller import Caller
from coldquery.connections.owner import Connections
from coldquery.limits import Limits
from coldquery.mcp.access_guard import AccessGuard, caller_over_http
from coldquery.mcp.prompts import PromptArguments, analyze_query_performance, debug_lock_contention
from coldquery.mcp.registry import Registry
from coldquery.mcp.resources import add_resources
from coldquery.mcp.tools import tools_of
from mcp_endpoint import ArgumentErrors, endpoint

PATH = "/mcp"

_INSTRUCTIONS = """\
PostgreSQL, safely. pg_query `read` runs anything that only reads, and PostgreSQL itself enforces that.
A write needs `session_id`, of pg_tx `begin` (nothing is kept before `commit`), or `autocommit: true`.
Start with pg_schema `list` and `describe` to learn tables and columns; pg_query `explain` before a query that
may be slow; pg_monitor `health` if something is wrong. Give values in `params`, as $1, $2, never in the SQL.
"""


@dataclass(frozen=True, slots=True)
class Service:
    """What the tools work with."""

    connections: Connections
    limits: Limits
    audit: Audit

    def context(self, caller: Caller) -> Context:
        return Context(caller, self.connections, self.limits, self.audit)


def mcp_server(
    service: Service,
    registry: Registry,
    caller: Callable[[], Caller],
    *,
    middleware: Sequence[Middleware] = (),
    **options: Any,
) -> FastMCP[Any]:
    """The tools, resources and prompts; `caller` tells for each call who asks. `options` are FastMCP's own."""

    def context() -> Context:
        return service.context(caller())

    tools = tools_of(registry, context)
    server = FastMCP[Any](
        "coldquery",
        version=version("coldquery"),
        instructions=_INSTRUCTIONS,
        middleware=[*middleware, ArgumentErrors(), PromptArguments()],
        tools=tools,
        on_duplicate="error",
        mask_error_details=True,
        # A name of a table is no path: it may hold `..` and slashes.
        resource_security=None,
        **options,
    )
    # Else the SDK has all tools listed with each call of one, to look at the headers that it came with.
    server._mcp_server.get_tool_input_schema = {tool.name: tool.parameters for tool in tools}.get  # noqa: SLF001
    add_resources(server, registry, context)
    server.prompt(title="Why is this query slow")(analyze_query_performance)
    server.prompt(title="Who waits for whom")(debug_lock_contention)
    return server


def mcp_app(service: Service, registry: Registry, allowed_hosts: Sequence[str]) -> StarletteWithLifespan:
    """The server at PATH, stateless, for all versions of the protocol; its lifespan is to be entered.

    It belongs behind `AccessMiddleware` with `KEY_ONLY`. A `Host` that is neither loopback nor one of
    `allowed_hosts` gets 421, and a foreign `Origin` 403.
    """
    server = mcp_server(service, registry, caller_over_http, middleware=[AccessGuard()])
    return endpoint(server, PATH, allowed_hosts)
