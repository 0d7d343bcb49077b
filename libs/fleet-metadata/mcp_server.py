"""What `fastmcp run` loads, as fastmcp.json has it."""

from fleet_metadata.serving import create_mcp_server

__all__ = ["create_mcp_server"]
