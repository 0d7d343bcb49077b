"""A FastMCP server whose one tool answers what it was started with: `bare_tool.py PORT FILE`."""

import json
import sys
from pathlib import Path
from typing import Any

from fastmcp import FastMCP

port, file = int(sys.argv[1]), Path(sys.argv[2])
server = FastMCP[Any]("bare")
answers: dict[str, dict[str, Any]] = json.loads(file.read_text())


@server.tool
def answer(name: str) -> dict[str, Any]:
    """The answer of that name."""
    return answers[name]


server.run(
    "http",
    host="127.0.0.1",
    port=port,
    path="/mcp",
    show_banner=False,
    stateless_http=True,
    json_response=True,
    log_level="warning",
)
