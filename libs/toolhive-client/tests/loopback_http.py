"""A small HTTP server on loopback in a thread of its own, with many connections at once that are kept."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

SCANNED = range(50_000, 50_101)
"""The ports of this machine that are looked through for a ToolHive."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer; a status of 0 is a connection that breaks off."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def in_bytes(self) -> bytes:
        length = {} if self.status == HTTPStatus.NO_CONTENT else {"Content-Length": str(len(self.body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**length, **self.headers}.items())
        return f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n{lines}\r\n".encode() + self.body


def in_json(body: Any, status: int = 200) -> Told:
    return Told(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def in_text(text: str, status: int) -> Told:
    """As Go's http.Error has it."""
    return Told(status, f"{text}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})


class LoopbackHttp:
    """Gives the target of each GET to `answer`, in the loop of its thread; `port` 0 is any that is free."""

    def __init__(self, answer: Callable[[str], Awaitable[Told]], port: int = 0) -> None:
        self.port = port
        self._answer = answer
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(60), "the server does not start"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(60)

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        conversations: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._converse(reader, writer))
            conversations.add(task)
            task.add_done_callback(conversations.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", self.port)
        while not self.port and server.sockets[0].getsockname()[1] in SCANNED:
            # Another test looks for a ToolHive there, and must not find ours.
            server.close()
            server = await asyncio.start_server(accept, "127.0.0.1")
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                told = await self._answer(head.decode("latin-1").split(" ")[1])
                if not told.status:
                    return
                writer.write(told.in_bytes())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            # The client has heard enough.
            pass
        finally:
            writer.transport.abort()
