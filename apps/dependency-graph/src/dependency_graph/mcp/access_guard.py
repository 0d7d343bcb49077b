from typing import Final

from fastmcp.exceptions import AuthorizationError, FastMCPError, NotFoundError, ToolError
from fastmcp.server.dependencies import get_http_request
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp_types import CallToolRequestParams, ReadResourceRequestParams

from api_access import Access, Refusal, Requirement

READING: Final = Requirement("read", "query")
WRITING: Final = Requirement("write", "ingestion")


class AccessGuard(Middleware):
    """Has the key of a request meet what the tool or resource needs; behind `AccessMiddleware` with `KEY_ONLY`.

    Tools that say of themselves that they only read, and resources, are reads; all other tools are writes.
    A refusal is an error of the call, as agents understand it: a status of HTTP would end their connection.
    """

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        assert context.fastmcp_context is not None  # noqa: S101  # it is there while a call is served
        tool = await context.fastmcp_context.fastmcp.get_tool(context.message.name)
        if tool is None:
            raise NotFoundError(f"Unknown tool: {context.message.name!r}")
        await _require(READING if _only_reads(tool) else WRITING, ToolError)
        return await call_next(context)

    async def check_resource_access(self, context: MiddlewareContext[ReadResourceRequestParams]) -> None:  # noqa: ARG002
        await _require(READING, AuthorizationError)


def _only_reads(tool: Tool) -> bool:
    return tool.annotations is not None and tool.annotations.read_only_hint is True


async def _require(requirement: Requirement, refused_as: type[FastMCPError]) -> None:
    access: Access = get_http_request().state.access
    try:
        await access.require(requirement)
    except Refusal as refusal:
        raise refused_as(refusal.detail) from refusal
