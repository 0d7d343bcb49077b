"""The process that answers requests: its socket, and how it stops."""

import asyncio
import re
import resource
import socket
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ci_server.domain.errors import StorageUnavailable
from ci_server.settings import Settings

GRACE_SECONDS = 3
"""For requests under way when the server stops. Streams end at once."""

READER_SECONDS = 300
"""After which the system gives up a connection whose other side takes nothing."""

_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)


class CannotListen(Exception):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"cannot listen on {host} port {port}: {error.strerror or error}. "
            "Name another with --host and --port, or CI_HOST and CI_PORT."
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises CannotListen."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if _TCP_USER_TIMEOUT is not None:
            # Else what is left for a reader that takes nothing stays here for as long as that lives.
            listener.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, READER_SECONDS * 1000)
        listener.bind(address)
    except OSError as error:
        raise CannotListen(host, port, error) from error
    return listener


def allow_many_streams() -> None:
    """Let this process have as many connections and files open as the system allows it at all."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _failing_plainly(app: ASGIApp) -> ASGIApp:
    """`app`, whose start fails with one line where it is not the code that is wrong."""

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message = {"type": message["type"], "message": _reason(message["message"])}
            await send(message)

        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        with suppress(OSError, StorageUnavailable):
            await app(scope, receive, send_on)

    return plain


def _reason(traceback: str) -> str:
    """What an exception says, without what it is called."""
    return re.sub(r"^[\w.]+: ", "", traceback.strip().splitlines()[-1])


class Server(uvicorn.Server):
    """Serves an app until a signal comes; `stopping` is set then, for streams to end at once."""

    def __init__(self, app: ASGIApp, settings: Settings, stopping: asyncio.Event) -> None:
        super().__init__(
            uvicorn.Config(
                _failing_plainly(app),
                # With uvloop, child processes inherit descriptors of ours: a job would hold them, and keep
                # what started it waiting for the end of its output.
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                # What anybody may write into a header is no address to count failed attempts by.
                proxy_headers=settings.forwarded_allow_ips is not None,
                forwarded_allow_ips=settings.forwarded_allow_ips,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)
