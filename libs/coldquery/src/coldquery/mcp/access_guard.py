"""Who calls over HTTP, and whether their key lets them; behind `AccessMiddleware` with `KEY_ONLY`."""

from typing import Final

from fastmcp.exceptions import AuthorizationError, FastMCPError, ToolError
from fastmcp.server.dependencies import get_http_request
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams, ReadResourceRequestParams

from api_access import Access, Principal, Refusal, Requirement, Scope
from coldquery.caller import Caller

READING: Final = Requirement("read", "query")


def caller_over_http() -> Caller:
    """Whose key the request carries; it may write if the key has the scope."""
    principal: Principal = get_http_request().state.principal
    return Caller(principal.key_id, may_write=Scope.WRITE in principal.scopes)


class AccessGuard(Middleware):
    """Asks each call of a tool, and each reading of a resource, for the scope read and a token of its limit.

    A refusal is an error of the call, as agents understand it: a status of HTTP would end their connection.
    Whether a call may write, `Caller` says.
    """

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        await _require_reading(ToolError)
        return await call_next(context)

    async def check_resource_access(self, context: MiddlewareContext[ReadResourceRequestParams]) -> None:  # noqa: ARG002
        await _require_reading(AuthorizationError)


async def _require_reading(refused_as: type[FastMCPError]) -> None:
    access: Access = get_http_request().state.access
    try:
        await access.require(READING)
    except Refusal as refusal:
        raise refused_as(refusal.detail) from refusal
