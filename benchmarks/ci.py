"""How fast the CI server is, against the bare equivalent in one run.

uv run python benchmarks/ci.py [--smoke] [--only NAME]

Jobs run as CI_RUNNER says: in containers where an engine answers at DOCKER_HOST, or as processes.
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import time
from typing import Annotated, Any

import httpx
import psutil
import typer
from figures import Result, in_turn, milliseconds, within
from httpx_sse import aconnect_sse
from running import running
from table import console, show

from embedded_services.server import free_port

UNLIMITED = {"RATE_LIMIT_SUBMIT": "1000000/min", "RATE_LIMIT_READ": "1000000/min"}
TICKS = "import time\nfor _ in range({}): print(time.time(), flush=True); time.sleep(0.05)"
CPUS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured; each round is one figure."""

    rounds: int
    streams: int
    lines: int


FULL = Scale(21, 1000, 100)
SMOKE = Scale(2, 20, 5)


@dataclass(frozen=True, slots=True)
class Server:
    """A CI server of its own, and a client that may do everything."""

    http: httpx.AsyncClient
    folder: Path
    port: int

    async def submit(self, project: bytes, **fields: str) -> str:
        """A job's id."""
        answer = await self.http.post("/submit-async", files={"file": ("project.zip", project)}, data=fields)
        return answer.raise_for_status().json()["job_id"]

    async def events(self, job_id: str, from_beginning: str = "true") -> AsyncIterator[dict[str, Any]]:
        path = f"/jobs/{job_id}/stream?from_beginning={from_beginning}"
        async with aconnect_sse(self.http, "GET", path) as source:
            async for event in source.aiter_sse():
                yield json.loads(event.data)

    async def until_ended(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended. Raises RuntimeError where its command failed."""
        async for _ in self.events(job_id):
            pass
        job = (await self.http.get(f"/jobs/{job_id}")).json()
        if not job["success"]:
            raise RuntimeError(f"A job of the benchmark failed: {job}")
        return job


@asynccontextmanager
async def server(folder: Path) -> AsyncGenerator[Server]:
    """One that is up, on SQLite, with an environment for `PROJECT` that is made already."""
    port = free_port()
    settings = {
        **UNLIMITED,
        "CI_PORT": str(port),
        "CI_DB_PATH": str(folder / "jobs.db"),
        "CI_DATA_DIR": str(folder / "data"),
        "LOG_LEVEL": "WARNING",
    }
    with running(folder, ["-m", "ci_server", "serve"], port, settings):
        make_key = [sys.executable, "-m", "ci_server", "api-keys", "create", "--name", "ann"]
        key = await asyncio.to_thread(
            subprocess.check_output,
            [*make_key, "--scope", "read", "--scope", "write"],
            env={**os.environ, **settings},
            text=True,
            stderr=subprocess.DEVNULL,
        )
        headers = {"Authorization": f"Bearer {key.strip()}"}
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=300, trust_env=False, limits=limits
        ) as http:
            found = Server(http, folder, port)
            await found.until_ended(await found.submit(PROJECT, command="true"))
            yield found


def project(filler: int) -> bytes:
    """A zip with a test, and with so many bytes that cannot be made smaller."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("requirements.txt", "")
        archive.writestr("tests/test_it.py", "def test_it(): pass\n")
        archive.writestr("data", os.urandom(filler))
    return content.getvalue()


PROJECT = project(10)


async def submissions(folder: Path, scale: Scale) -> list[Result]:
    """The answer to a zip of 1 MB, less the time that it takes to write the zip so that it is safe."""
    zipped, written = project(1_000_000), folder / "written"

    def write() -> None:
        with written.open("wb") as file:
            file.write(zipped)
            file.flush()
            os.fsync(file.fileno())

    async with server(folder) as ci:

        async def submit(_: int) -> float:
            jobs = list[str]()

            async def one() -> None:
                jobs.append(await ci.submit(zipped, command="true"))

            took = await milliseconds(one())
            # The next is not to be measured while this one runs.
            await ci.until_ended(jobs[0])
            return took

        ours, bare = await in_turn(scale.rounds, submit, lambda _: milliseconds(asyncio.to_thread(write)))
    more = [our - their for our, their in zip(ours, bare, strict=True)]
    return [within(10, f"a zip of 1 MB submitted, more than writing it ({median(bare):.1f} ms)", more)]


async def pick_up(folder: Path, scale: Scale) -> list[Result]:
    """From the commit of a job to its start, and what a job costs over its bare command."""
    async with server(folder) as ci:

        async def wait(_: int) -> float:
            job = await ci.until_ended(await ci.submit(PROJECT, command="true"))
            return _milliseconds_between(job["queued_time"], job["start_time"])

        async def run(_: int) -> float:
            return await milliseconds(_run(ci))

        async def _run(ci: Server) -> None:
            await ci.until_ended(await ci.submit(PROJECT, command="true"))

        waits, ours, bare = await in_turn(
            scale.rounds, wait, run, lambda _: milliseconds(asyncio.to_thread(_bare_run))
        )
    more = [our - their for our, their in zip(ours, bare, strict=True)]
    what = "`true` in a container" if os.environ.get("DOCKER_HOST") else "`true` as a process"
    return [
        within(100, "a job waits for its start", waits),
        within(300, f"{what}, more than {_BARE} ({median(bare):.0f} ms)", more),
    ]


_BARE = "`docker run` of the same image" if os.environ.get("DOCKER_HOST") else "`sh -c true`"


def _bare_run() -> None:
    if engine := os.environ.get("DOCKER_HOST"):
        image = os.environ.get("CI_IMAGE", "docker.io/library/python:3.12-slim")
        command = ["podman", "--url", engine, "run", "--rm", "--network=none", image, "sh", "-c", "true"]
    else:
        command = ["sh", "-c", "true"]
    subprocess.run(command, check=True, capture_output=True)


def _milliseconds_between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds() * 1000


async def lines(folder: Path, scale: Scale) -> list[Result]:
    """From a print of a job to its reader: both tell the time."""
    async with server(folder) as ci:
        job_id = await ci.submit(PROJECT, command=f"python -c '{TICKS.format(scale.lines)}'")
        late = list[float]()
        async for event in ci.events(job_id):
            if event["type"] == "log":
                late += [(time() - float(line)) * 1000 for line in event["data"].split()]
    return [within(50, f"a line of a log reaches its reader, {len(late)} lines", late)]


async def streams(folder: Path, scale: Scale) -> list[Result]:
    """What a server needs for each reader of a job that runs, and whether all of them are told its end."""
    async with server(folder) as ci, AsyncExitStack() as open_streams:
        gate = folder / "gate"
        job_id = await ci.submit(PROJECT, command=f"python -c '{TICKS.format(scale.streams // 5 + 100)}'")
        process = _listener(ci.port)
        before = process.memory_info().rss
        sources = [
            await open_streams.enter_async_context(
                aconnect_sse(ci.http, "GET", f"/jobs/{job_id}/stream?from_beginning=true")
            )
            for _ in range(scale.streams)
        ]
        gate.touch()
        ends = await asyncio.gather(*[_last(source.aiter_sse()) for source in sources])
        grown = (process.memory_info().rss - before) / scale.streams / 1024
    if any(end != ends[0] or end["type"] != "complete" for end in ends):
        raise RuntimeError("Not all streams were told the end.")
    result = within(50, f"memory for each of {scale.streams} streams of one job, in KiB", [grown])
    return [Result(result.what, "under 50 KiB", f"{grown:.1f} KiB", "", result.reached)]


def _listener(port: int) -> psutil.Process:
    found = [
        process
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("tcp")
        if connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
    ]
    return found[0]


async def _last(events: AsyncIterator[Any]) -> dict[str, Any]:
    last = None
    async for event in events:
        last = event
    return json.loads(last.data) if last else {}


class Name(StrEnum):
    SUBMISSIONS = "submissions"
    PICK_UP = "pick-up"
    LINES = "lines"
    STREAMS = "streams"


ROWS: dict[Name, Callable[[Path, Scale], Coroutine[Any, Any, list[Result]]]] = {
    Name.SUBMISSIONS: submissions,
    Name.PICK_UP: pick_up,
    Name.LINES: lines,
    Name.STREAMS: streams,
}


def main(
    only: Annotated[list[Name] | None, typer.Option(help="Measure this; may be given again.")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="All of it, tiny: whether it works.")] = False,
) -> None:
    """Measure the CI server against the bare equivalent."""
    scale, screen, results = SMOKE if smoke else FULL, console(), list[Result]()
    for name in only or Name:
        with screen.status(name), TemporaryDirectory(prefix="fleet-benchmark-") as folder:
            results += asyncio.run(ROWS[name](Path(folder), scale))
    show(screen, results, smoke=smoke, others="")


if __name__ == "__main__":
    typer.run(main)
