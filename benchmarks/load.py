"""Requests, one at a time to measure how long they take, or as many as will go to measure how many do."""

import asyncio
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import SEEK_END
from time import perf_counter
from typing import BinaryIO, Self

CONNECTIONS = 32
SENT_AT_ONCE = 2**16
READ_AHEAD = 2**22  # a large answer is taken in without pausing the socket
GENERATOR = "wrk" if shutil.which("wrk") else "asyncio (wrk is not installed)"

_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A server on 127.0.0.1, and the API key it wants."""

    port: int
    token: str


class Client:
    """One connection. It reads the little of HTTP that our servers write, to cost next to nothing."""

    def __init__(self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._headers = f"Host: 127.0.0.1:{address.port}\r\nAuthorization: Bearer {address.token}\r\n"
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def connected(cls, address: Address) -> AsyncGenerator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", address.port, limit=READ_AHEAD)
        yield cls(address, reader, writer)
        writer.close()

    async def get(self, path: str) -> bytes:
        """The body of the answer; raises RuntimeError where that is no success."""
        return await self._exchange(f"GET {path} HTTP/1.1\r\n{self._headers}\r\n".encode())

    async def post(self, path: str, body: bytes) -> bytes:
        """As `get`, for a JSON body."""
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return await self._exchange(f"POST {path} HTTP/1.1\r\n{self._headers}{about}\r\n".encode() + body)

    async def send(self, path: str, file: BinaryIO) -> bytes:
        """As `post`, for a file of NDJSON, which is sent as fast as the server takes it."""
        length = file.seek(0, SEEK_END)
        file.seek(0)
        about = f"Content-Type: application/x-ndjson\r\nContent-Length: {length}\r\n"
        self._writer.write(f"POST {path} HTTP/1.1\r\n{self._headers}{about}\r\n".encode())
        while part := file.read(SENT_AT_ONCE):
            self._writer.write(part)
            await self._writer.drain()
        return await self._exchange(b"")

    async def _exchange(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await self._reader.readexactly(int(length[1])) if length else b""
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{head.splitlines()[0].decode()}: {body.decode()}")
        return body


async def requests_per_second(
    address: Address, path: str, seconds: int, connections: int = CONNECTIONS
) -> float:
    """What the server manages on so many connections; raises RuntimeError where an answer is no success."""
    if GENERATOR == "wrk":
        return await _by_wrk(address, path, seconds, connections)
    return await _by_ourselves(address, path, seconds, connections)


async def _by_wrk(address: Address, path: str, seconds: int, connections: int) -> float:
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Authorization: Bearer {address.token}"]
    url = f"http://127.0.0.1:{address.port}{path}"
    process = await asyncio.create_subprocess_exec("wrk", *options, url, stdout=asyncio.subprocess.PIPE)
    told = (await process.communicate())[0].decode()
    rate = _RATE.search(told)
    if rate is None or "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(told)
    return float(rate[1])


async def _by_ourselves(address: Address, path: str, seconds: int, connections: int) -> float:
    started = perf_counter()
    counts = await asyncio.gather(*[_repeat(address, path, started + seconds) for _ in range(connections)])
    return sum(counts) / (perf_counter() - started)


async def _repeat(address: Address, path: str, until: float) -> int:
    count = 0
    async with Client.connected(address) as client:
        while perf_counter() < until:
            await client.get(path)
            count += 1
    return count
