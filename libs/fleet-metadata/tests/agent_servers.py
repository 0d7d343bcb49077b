"""Small servers on loopback that stand for agents, well and ill, each on a port of its own."""

import asyncio
import inspect
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def document(**values: Any) -> dict[str, Any]:
    """An answer of GET /metadata with those values."""
    schema = {"type": "string", "description": "…", "includeInList": True, "nullable": True}
    return {
        "data": {name: {"value": value, "schema": schema} for name, value in values.items()},
        "meta": {
            "version": "1.0",
            "collected_at": "2026-11-21T12:00:00.000Z",
            "collectors": [{"name": "git", "status": "ok", "duration_ms": 6.1, "age_seconds": 0.0}],
            "truncated": [],
        },
    }


def told(body: bytes | Mapping[str, Any], status: int = 200, **headers: str) -> bytes:
    """An HTTP answer; the underscores of `headers` are hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"content-length": str(len(content))} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + content


@dataclass
class Asked:
    """What came in: the target of the request, and its headers by their names in lower case."""

    target: str
    headers: Mapping[str, str]


@dataclass
class Agent:
    url: str
    asked: list[Asked] = field(default_factory=list[Asked])
    connections: int = 0
    open: int = 0


@asynccontextmanager
async def agent(answer: bytes | Callable[[Asked], bytes] | Speak) -> AsyncGenerator[Agent]:
    """An agent that gives an answer to each request, or that speaks as it likes after the first."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agent.connections += 1
        agent.open += 1
        try:
            while asked := await _asked(reader):
                agent.asked.append(asked)
                if isinstance(answer, bytes):
                    writer.write(answer)
                elif inspect.iscoroutinefunction(answer):
                    await answer(reader, writer)
                    break
                else:
                    writer.write(answer(asked))  # pyright: ignore[reportArgumentType, reportCallIssue]  # no coroutine
        except (OSError, asyncio.IncompleteReadError):
            # The client has heard enough.
            pass
        finally:
            agent.open -= 1
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=200)
    agent = Agent(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield agent
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing, until the client hangs up."""
    await reader.read()


async def _asked(reader: asyncio.StreamReader) -> Asked | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request, *lines = head.split("\r\n")[:-2]
    headers = dict(line.split(": ", 1) for line in lines)
    return Asked(request.split(" ")[1], {name.lower(): value for name, value in headers.items()})
