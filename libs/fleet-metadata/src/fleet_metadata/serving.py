"""The server as a process: over HTTP, or on the standard streams of an agent that starts it."""

import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastmcp import FastMCP

from fleet_metadata.app import create_app
from fleet_metadata.board_of import board_of
from fleet_metadata.mcp.one_token import OneToken
from fleet_metadata.mcp.server import mcp_server
from fleet_metadata.settings import Settings
from mcp_endpoint import log_like_the_rest
from observability import configure_logging


def serve_http(settings: Settings) -> None:
    """Answer requests until SIGTERM or Ctrl-C."""
    # uvicorn ends by sending itself the signal that stopped it, which is not to be the exit code.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    configure_logging(settings.log_level)
    uvicorn.run(
        create_app(settings, board_of(settings)),
        host=settings.metadata_host,
        port=settings.metadata_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=6,
    )


def serve_stdio(settings: Settings) -> None:
    """Speak MCP on standard input and output until the input ends; the log goes to standard error."""
    configure_logging(settings.log_level)
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        # At once: what waits for the next line of the input cannot be interrupted.
        signal.signal(number, lambda _signal, _frame, code=code: os._exit(code))
    create_mcp_server(settings).run("stdio", show_banner=False)


def create_mcp_server(settings: Settings | None = None) -> FastMCP[Any]:
    """The MCP server alone, for whoever runs it: `fastmcp run`, say. Over HTTP it wants the token, where one is set."""
    settings = settings or Settings()
    log_like_the_rest()
    board, token = board_of(settings), settings.fleet_metadata_token

    @asynccontextmanager
    async def lifespan(_server: FastMCP[Any]) -> AsyncGenerator[None]:
        yield
        await board.stop()

    return mcp_server(board, lifespan=lifespan, auth=OneToken(token.get_secret_value()) if token else None)
