import os
import re
import time
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from observability.metrics import request_seconds, requests_total

_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class TelemetryMiddleware:
    """Gives every request an id, one log line and its place in the metrics.

    `X-Request-ID` is taken from the client where it is 1 to 128 plain characters, else made here. It is
    in `scope["state"]["request_id"]`, in every log line of the request, and on the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        started = time.perf_counter()
        # Not unbound at the end: a server runs each request in a context of its own.
        structlog.contextvars.bind_contextvars(correlation_id=request_id.decode())
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            _record(scope, status, time.perf_counter() - started)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            return value
    return os.urandom(16).hex().encode()


def _record(scope: Scope, status: int, seconds: float) -> None:
    # Anything may stand in a method or path: only what the app knows becomes a label.
    method = scope["method"] if scope["method"] in _METHODS else "other"
    route = _route(scope)
    requests_total.labels(method, route, status).inc()
    request_seconds.labels(method, route).observe(seconds)
    log = _log.warning if status >= 500 else _log.info  # noqa: PLR2004  # server errors
    log("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1000, 2))


def _route(scope: Scope) -> str:
    """The template of the route that was found, without the types of its parameters."""
    route: Any = scope.get("route")
    return getattr(route, "path_format", None) or "unmatched"
