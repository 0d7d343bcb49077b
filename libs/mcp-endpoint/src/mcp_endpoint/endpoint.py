import logging
from collections.abc import Sequence
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.http import StarletteWithLifespan


def endpoint(server: FastMCP[Any], path: str, allowed_hosts: Sequence[str]) -> StarletteWithLifespan:
    """`server` at `path`, stateless, for all versions of the protocol; its lifespan is to be entered.

    Give it to a `Route`, as a mount would redirect from the path that clients are given. A `Host` that is
    neither loopback nor one of `allowed_hosts` gets 421, and a foreign `Origin` 403.
    """
    log_like_the_rest()
    return server.http_app(
        path,
        stateless_http=True,
        json_response=True,
        host_origin_protection=True,
        allowed_hosts=list(allowed_hosts),
        # Behind a proxy that ends TLS, the scheme that the browser saw is not the one that arrives here.
        allowed_origins=[f"{scheme}://{host}" for host in allowed_hosts for scheme in ("http", "https")],
    )


def log_like_the_rest() -> None:
    """Send what FastMCP and the SDK log through the log of the process, and the SDK's line per request nowhere."""
    # FastMCP brings a handler of its own, past the redaction.
    logger = logging.getLogger("fastmcp")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
    logging.getLogger("mcp").setLevel(logging.WARNING)
