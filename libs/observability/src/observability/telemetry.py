import os
import re
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from observability.metrics import request_seconds, requests_total
from observability.redaction import redact_text
from observability.trace_context import TraceParent, within_parent

if TYPE_CHECKING:
    from observability.server_span import ServerSpan
    from observability.tracing import Tracing

_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LONGEST_PATH = 2_048

# Looking one up takes longer than counting.
_counted = cache(requests_total.labels)
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def traces_to(
    endpoint: str | None, service_name: str, sample_rate: float, untraced: Collection[str]
) -> "Tracing | None":
    """What sends traces to the collector at `endpoint`, if there is one; the rest as of `Tracing`."""
    if endpoint is None:
        return None
    # Not before it is wanted, as it brings an SDK along.
    from observability.tracing import Tracing

    return Tracing(service_name, endpoint, sample_rate, untraced)


class TelemetryMiddleware:
    """Gives every request an id, one log line, its place in the metrics, and a span where `tracing` is given.

    `X-Request-ID` is taken from the client where it is 1 to 128 plain characters, else made here. It is
    in `scope["state"]["request_id"]`, in every log line of the request, and on the answer. The trace id of
    `traceparent` is in the log lines, traced or not. Where `polled`, the lines of requests that succeeded are
    of the level DEBUG: a server that is asked the same every few seconds has nothing to tell of it.
    """

    def __init__(self, app: ASGIApp, tracing: "Tracing | None" = None, *, polled: bool = False) -> None:
        self.app = app
        self._tracing = tracing
        self._polled = polled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, parent = _told_by_client(scope)
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
        with self._trace(scope, parent) as span:
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                self._record(scope, status, time.perf_counter() - started, span)

    def _trace(self, scope: Scope, parent: TraceParent | None) -> "AbstractContextManager[ServerSpan | None]":
        return self._tracing.server_span(scope, parent) if self._tracing else within_parent(parent)

    def _record(self, scope: Scope, status: int, seconds: float, span: "ServerSpan | None") -> None:
        # Anything may stand in a method or path: only what the app knows becomes a label.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _route(scope)
        _counted(method, route or "unmatched", status).inc()
        request_seconds.observe(seconds, method, route or "unmatched")
        if span:
            span.answered(method, route, status)
        self._log_for(status)(
            "request", method=method, path=_shown(scope["path"]), status=status, ms=round(seconds * 1000, 2)
        )

    def _log_for(self, status: int) -> Callable[..., Any]:
        if status >= 500:  # noqa: PLR2004  # server errors
            return _log.warning
        return _log.debug if self._polled and status < 400 else _log.info  # noqa: PLR2004  # client errors


def _told_by_client(scope: Scope) -> tuple[bytes, TraceParent | None]:
    """The id of the request, which is a new one where the client gives none that is fit, and its trace."""
    request_id, parents = b"", list[bytes]()
    for name, value in scope["headers"]:
        if name == b"x-request-id" and not request_id and _ACCEPTABLE_ID.fullmatch(value):
            request_id = value
        elif name == b"traceparent":
            parents.append(value)
    parent = TraceParent.parse(parents[0]) if len(parents) == 1 else None
    return request_id or os.urandom(16).hex().encode(), parent


def _shown(path: str) -> str:
    if len(path) <= _LONGEST_PATH:
        return path
    # Cut after it was masked: a secret that is cut in two may not look like one.
    return redact_text(path[: 2 * _LONGEST_PATH])[:_LONGEST_PATH]


def _route(scope: Scope) -> str | None:
    """The template of the route that was found, without the types of its parameters."""
    return getattr(scope.get("route"), "path_format", None)
