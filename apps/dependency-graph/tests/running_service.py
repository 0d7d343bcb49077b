"""The service as its users run it: real processes on a real port, for tests that are rough with them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from api_access import KeyStore, RateLimit, asyncpg_url
from dependency_graph.settings import Settings
from embedded_services.server import free_port

API = "/api/v1"
INGEST = f"{API}/services/dependencies"
COMMAND = (sys.executable, "-m", "dependency_graph")
UNLIMITED = RateLimit(999_999_999, 60)
WITHIN_SECONDS = 120
STOPPED_WITHIN_SECONDS = 30


def until(condition: Callable[[], object], seconds: float = WITHIN_SECONDS) -> None:
    """Wait until `condition` holds; raises TimeoutError. On an event loop, call it in a thread."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain")
        time.sleep(0.02)


async def until_waiting(connection: asyncpg.Connection, number: int) -> None:
    """Wait until so many transactions wait for locks on the server of `connection`; raises TimeoutError."""
    waiting = "SELECT count(*) >= $1 FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(WITHIN_SECONDS):
        while not await connection.fetchval(waiting, number):
            await asyncio.sleep(0.02)


def patient(redis_url: str, seconds: int = 60) -> str:
    """That URL, where each answer has so many seconds: on a busy machine a quarter of one may just pass."""
    return f"{redis_url}?socket_timeout={seconds}&socket_connect_timeout={seconds}"


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, of the service's settings only those given; TOOLHIVE_URL leads to none."""
    settings = {name.upper() for name in Settings.model_fields} - {"TOOLHIVE_URL"}
    return {name: value for name, value in os.environ.items() if name not in settings} | dict(given)


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command of the service, run to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )


def make_key_with_limits(database_url: str, **limits: RateLimit) -> str:
    """A new key that may do everything, with limits by class. Blocks; on an event loop, call it in a thread."""
    engine = create_async_engine(asyncpg_url(database_url), poolclass=NullPool)
    token, _ = asyncio.run(KeyStore(engine).create("hostile", ["admin"], limits))
    return token


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those of `processes` that still run."""
    return [process for process in processes if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class RunningService:
    """`serve` on a free port with two workers unless `settings` say otherwise; a context manager.

    `seen` are all processes that ever belonged to it, `log` is what it wrote.
    """

    def __init__(self, folder: Path, options: Sequence[str] = (), **settings: str) -> None:
        port = str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        self.seen: set[psutil.Process] = set()
        self._log_file = folder / f"service-{port}.log"
        self._command = [*COMMAND, "serve", *options]
        self._environment = environment({"API_PORT": port, "API_WORKERS": "2"} | settings)
        self.start()

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    def start(self) -> None:
        """Start it, or start it again on the same port, and wait until it is ready."""
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        try:
            until(lambda: self._process.poll() is not None or self.is_ready())
            assert self._process.poll() is None, self.log
        except BaseException:
            self.end()
            raise
        self.look()

    def is_ready(self) -> bool:
        try:
            return httpx.get(
                f"{self.url}/readyz", trust_env=False, timeout=WITHIN_SECONDS, verify=False
            ).is_success
        except httpx.TransportError:
            return False

    def look(self) -> set[psutil.Process]:
        """The processes that belong to it now."""
        parent = psutil.Process(self._process.pid)
        now = {parent, *parent.children(recursive=True)}
        self.seen |= now
        return now

    def client(self, key: str, *, keep_alive: bool = True) -> httpx.AsyncClient:
        """A client; without `keep_alive` each request goes to the worker that happens to take it."""
        connections = httpx.Limits(max_keepalive_connections=None if keep_alive else 0)
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"X-API-Key": key},
            limits=connections,
            timeout=WITHIN_SECONDS,
            trust_env=False,
            verify=False,
        )

    def kill(self) -> None:
        """SIGKILL to the parent and all workers at once."""
        for process in self.look():
            process.kill()
        self._process.wait(WITHIN_SECONDS)
        until(lambda: not alive(self.seen))

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self, seconds: float = STOPPED_WITHIN_SECONDS) -> int:
        """The exit code, once it has ended; raises subprocess.TimeoutExpired."""
        return self._process.wait(seconds)

    def end(self) -> None:
        """End it one way or another, with all that it started."""
        if self._process.poll() is None:
            self.look()
            self._process.terminate()
        try:
            self._process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for process in alive(self.seen):
            process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()


async def connections(url: str, number: int, sent: bytes) -> list[asyncio.StreamWriter]:
    """So many connections to the service at `url`, which have sent that much and say no more."""
    address = urlsplit(url)
    writers: list[asyncio.StreamWriter] = []
    for _ in range(number):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(sent)
        await writer.drain()
        writers.append(writer)
    return writers


def hang_up(writers: Iterable[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.transport.abort()
