"""A server that never comes to the end of an answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class DribblingServer:
    """Answers each request, of which there were `asked`, with `begins`, and a byte now and then if that is anything."""

    begins: bytes
    url: str = ""
    asked: int = 0
    _connections: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _asked: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        # Until the client has heard enough.
        with suppress(OSError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            self._asked.add(writer)
            writer.write(self.begins)
            while not reader.at_eof():
                writer.write(b" " if self.begins else b"")
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.02)
        self._connections.discard(writer)
        writer.close()

    async def left(self) -> None:
        """Wait until nobody listens to it any more; raises TimeoutError after half a minute."""
        async with asyncio.timeout(30):
            while self._connections & self._asked:
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        # A client may have given up before it asked for anything, and have left that connection as it was.
        while self._connections:
            for writer in self._connections:
                writer.transport.abort()
            await asyncio.sleep(0)


@asynccontextmanager
async def dribbling_server(begins: bytes) -> AsyncGenerator[DribblingServer]:
    dribbling = DribblingServer(begins)
    server = await asyncio.start_server(dribbling.converse, "127.0.0.1", 0)
    dribbling.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield dribbling
    finally:
        server.close()
        await dribbling.end()
