"""The server as a process: over HTTP, or on the standard streams of an agent that starts it."""

import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import structlog
import uvicorn
from fastmcp import FastMCP

from coldquery.app import create_app, service_on
from coldquery.caller import LOCAL
from coldquery.database import database
from coldquery.mcp.registered import REGISTRY
from coldquery.mcp.server import PATH, mcp_server
from coldquery.settings import Settings
from mcp_endpoint import log_like_the_rest
from observability import configure_logging

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
GRACE_SECONDS = 5
"""For calls under way when the server stops."""


class CannotListen(Exception):
    """The address cannot be listened on; the text says what to do."""


def serve_http(settings: Settings) -> None:
    """Answer requests until SIGTERM or Ctrl-C. Raises CannotListen, EmbeddedServiceError or OSError."""
    # uvicorn ends by sending itself the signal that stopped it, which is not to be the exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: sys.exit(0))
    configure_logging(settings.log_level)
    listener = _listen(settings.coldquery_host, settings.coldquery_port)
    with database(settings) as connect:
        config = uvicorn.Config(
            create_app(settings, connect),
            log_config=None,
            access_log=False,
            server_header=False,
            # What anybody may write into a header is no address to count failed attempts by.
            proxy_headers=settings.forwarded_allow_ips is not None,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        host, port = listener.getsockname()[:2]
        # uvicorn names only what it binds itself, and port 0 is any.
        _log.info("listening", host=host, port=port, path=PATH)
        uvicorn.Server(config).run([listener])


def serve_stdio(settings: Settings) -> None:
    """Speak MCP on standard input and output until the input ends; the log goes to standard error.

    Raises as `serve_http`.
    """
    configure_logging(settings.log_level)
    log_like_the_rest()
    with ExitStack() as running:
        connect = running.enter_context(database(settings))

        def leave(number: int, _frame: object) -> None:
            # At once: what waits for the next line of the input cannot be interrupted.
            running.close()
            os._exit(0 if number == signal.SIGTERM else 130)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        _local_server(settings, connect).run("stdio", show_banner=False)


def _local_server(settings: Settings, connect: Mapping[str, Any]) -> FastMCP[Any]:
    service = service_on(connect, settings)

    @asynccontextmanager
    async def lifespan(_server: FastMCP[Any]) -> AsyncGenerator[None]:
        await service.connections.start()
        try:
            yield
        finally:
            await service.connections.stop()

    return mcp_server(service, REGISTRY, lambda: LOCAL, lifespan=lifespan)


def _listen(host: str, port: int) -> socket.socket:
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {host} port {port}: {error.strerror or error}. "
            "Name another with --host and --port, or COLDQUERY_HOST and COLDQUERY_PORT."
        ) from error
    return listener
