"""A real server on loopback that gets webhooks and answers as it is told."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """`answer` makes the bytes of each answer; None is to say nothing and keep the connection."""

    answer: Callable[[Received], bytes | None] = lambda _received: OK
    url: str = ""
    received: asyncio.Queue[Received] = field(default_factory=asyncio.Queue[Received])

    async def next(self) -> Received:
        async with asyncio.timeout(20):
            return await self.received.get()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request_line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        received = Received(request_line.split()[1], headers, body)
        self.received.put_nowait(received)
        if (answer := self.answer(received)) is None:
            await reader.read()
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def webhook_receiver() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    async with server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield receiver
