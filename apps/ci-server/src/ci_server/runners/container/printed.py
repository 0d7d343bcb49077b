"""What a container prints, byte for byte."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

from ci_server.runners.container.engine import CHUNK_BYTES, Container, Engine
from ci_server.running.runner import RunnerAway

POLL_SECONDS = 0.01
ASK_SECONDS = 0.25
"""Between two questions whether a container has ended whose process cannot be seen from here."""
FIELDS = 3


async def printed(engine: Engine, name: str) -> AsyncGenerator[bytes]:
    """All that a container has printed and prints until it has ended, from the first byte; nothing if it is not there.

    Podman reads the log of a container four times a second, and needs half a second to notice its end. So its
    log file is read, where that is on this machine; elsewhere, and of Docker, the API is asked.
    """
    container = await engine.find(name)
    if container is None or not container.started:
        return
    kind, _ = await engine.identity()
    path = Path(container.log_path)
    is_here = kind == "podman" and container.log_path and os.access(path, os.R_OK)
    source = _read(engine, name, container, path) if is_here else _asked(engine, name)
    async with aclosing(source) as chunks:
        async for chunk in chunks:
            yield chunk


async def _asked(engine: Engine, name: str) -> AsyncGenerator[bytes]:
    """By the API; where the engine hangs up early, as it does when it starts anew, from the beginning again."""
    sent, ended, broken = 0, False, False
    while not ended or broken:
        container = await engine.find(name)
        ended, before, seen = container is None or container.ended, sent, 0
        try:
            async with aclosing(engine.log(name, follow=not ended)) as chunks:
                async for chunk in chunks:
                    new = chunk[max(0, sent - seen) :]
                    seen += len(chunk)
                    if new:
                        sent += len(new)
                        yield new
            broken = False
        except RunnerAway:
            if broken and sent == before:
                raise
            broken = True


async def _read(engine: Engine, name: str, container: Container, path: Path) -> AsyncGenerator[bytes]:
    """From the file. That the container has ended is asked before reading what has to be all then."""
    file = LogFile(path)
    try:
        ending = _Ending(engine, name, container)
        while True:
            ended = await ending.has_come()
            for chunk in file.more():
                yield chunk
                await asyncio.sleep(0)
            if ended:
                return
            await asyncio.sleep(POLL_SECONDS)
    finally:
        file.close()


class _Ending:
    """Whether a container has ended, asking the engine only when its process has gone, or cannot be seen."""

    def __init__(self, engine: Engine, name: str, container: Container) -> None:
        self._engine = engine
        self._name = name
        self._process = Path(f"/proc/{container.pid}") if container.pid else None
        self._is_seen = bool(self._process and self._process.exists())
        self._ask_at = 0.0

    async def has_come(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._is_seen and self._process and self._process.exists() and now < self._ask_at:
            return False
        if not self._is_seen and now < self._ask_at:
            return False
        self._ask_at = now + (ASK_SECONDS * 20 if self._is_seen else ASK_SECONDS)
        container = await self._engine.find(self._name)
        return container is None or container.ended


class LogFile:
    """A log as Podman keeps it (`k8s-file`): `<time> <stream> F <line>`, or `P` for what has no line end yet."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._rest = b""

    def more(self) -> Iterator[bytes]:
        """What has come since the last call. Raises OSError."""
        while data := self._file.read(CHUNK_BYTES):
            *lines, self._rest = (self._rest + data).split(b"\n")
            if content := b"".join(map(_content, lines)):
                yield content

    def close(self) -> None:
        self._file.close()


def _content(line: bytes) -> bytes:
    *_, kind, text = line.split(b" ", FIELDS)
    return text if kind == b"P" else text + b"\n"
