from importlib.metadata import version
from typing import Any

from fastmcp import FastMCP
from fastmcp.tools import Tool
from mcp_types import ToolAnnotations

from fleet_metadata.collection.board import Board
from fleet_metadata.mcp.tools import KeyList, MetadataTools
from fleet_metadata.schemas import MetadataAnswer
from mcp_endpoint import ArgumentErrors, output_schema

PATH = "/mcp"

_INSTRUCTIONS = """\
What the workspace that this server runs in is doing right now: its git repository, pull request, checks, task.
collect_metadata without a key tells all at once; list_metadata_keys tells what there is.
"""
# What is told comes from GitHub and others, too.
_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)


def mcp_server(board: Board, **options: Any) -> FastMCP[Any]:
    """The tools and resources on `board`, to be read by whoever reaches it; `options` are FastMCP's own."""
    tools = MetadataTools(board)
    told = [
        (tools.collect_metadata, "What the workspace is doing", MetadataAnswer),
        (tools.list_metadata_keys, "What can be asked", KeyList),
    ]
    server = FastMCP[Any](
        "fleet-metadata",
        version=version("fleet-metadata"),
        instructions=_INSTRUCTIONS,
        middleware=[ArgumentErrors()],
        tools=[
            Tool.from_function(tool, title=title, output_schema=output_schema(answer), annotations=_READS)
            for tool, title, answer in told
        ],
        on_duplicate="error",
        mask_error_details=True,
        **options,
    )
    server.resource(
        "metadata://{key}",
        name="metadata",
        title="One thing about the workspace",
        mime_type="application/json",
        annotations={"readOnlyHint": True, "idempotentHint": True},
    )(tools.entry)
    return server
