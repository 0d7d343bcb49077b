"""Servers are killed, or put to sleep, at random moments: what was acknowledged runs once, and streams lose no byte.

CI_CRASH_ROUNDS is how often one is (2), and CI_CRASH_SEED makes it the moments of another time.
"""

import asyncio
import json
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from ci_api_factories import zipped
from ci_containers import clean, engine_url, new_prefix
from ci_running_server import RunningServer, until
from ci_wheelhouse import installs_from, made_wheel

from ci_server.runners.container.configuration import LABEL
from ci_server.runners.container.engine import Engine
from ci_server.storage.database import Database
from ci_server.storage.migrating import migrate

ROUNDS = int(os.environ.get("CI_CRASH_ROUNDS", "2"))
SERVERS = 2
JOBS_EACH = 2
LINES = 50
COMMAND = (
    "{ echo $NAME >> $RAN; } 2>/dev/null; cat /proc/sys/kernel/random/uuid; i=0; "
    f'while [ $i -lt {LINES} ]; do echo "line $i of $WORD é𝄞"; i=$((i+1)); sleep 0.01; done'
)
PRINTED = "".join(f"line {number} of *** é𝄞\n" for number in range(LINES))
WITHIN_SECONDS = 300
ENDED = {"completed", "failed", "cancelled"}


class Reader:
    """Follows the log of one job, from server to server."""

    def __init__(self, crashes: "ServerCrashes", job_id: str) -> None:
        self._crashes = crashes
        self._url = f"/jobs/{job_id}/stream"
        self._last = ""
        self.text = ""
        self.end: Mapping[str, Any] = {}

    def read(self) -> "Reader":
        """Until the job has ended."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while not self.end and time.monotonic() < deadline:
            try:
                self._read_on()
            except httpx.TransportError:
                time.sleep(0.02)
        return self

    def _read_on(self) -> None:
        headers = {"Last-Event-ID": self._last} if self._last else {}
        with (
            self._crashes.client() as client,
            client.stream("GET", self._url, params={"from_beginning": "true"}, headers=headers) as answer,
        ):
            assert answer.status_code == 200, answer.read()
            for place, told in _events(answer):
                assert int(place) >= int(self._last or 0)
                self._last = place
                self.text += told["data"] if told["type"] == "log" else ""
                self.end = told if told["type"] == "complete" else {}


def _events(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those that came whole, with their ids."""
    fields = dict[str, str]()
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        if "data" in fields:
            yield fields["id"], json.loads(fields["data"])
        fields.clear()


class ServerCrashes:
    """Servers of one installation, and all that was submitted to them."""

    def __init__(self, servers: Sequence[RunningServer], folder: Path, seed: int) -> None:
        self.servers = servers
        self.folder = folder
        self.data = folder / "ci_data"
        self.ran = folder / "ran"
        self.dice = random.Random(seed)
        self.acknowledged = set[str]()
        self.cancelled = set[str]()
        self.readers = dict[str, Future[Reader]]()
        self._key = servers[0].key()
        self._threads = ThreadPoolExecutor(2 * JOBS_EACH * (ROUNDS + 1))

    def client(self) -> httpx.Client:
        return random.choice(self.servers).client(self._key)

    def round(self) -> None:
        submissions = [self._threads.submit(self._submit) for _ in range(JOBS_EACH)]
        time.sleep(self.dice.uniform(0, 1.2))
        if self.acknowledged and self.dice.random() < 0.3:
            self._threads.submit(self._cancel, self.dice.choice(sorted(self.acknowledged)))
        server = self.dice.choice(self.servers)
        if self.dice.random() < 0.3:
            server.signal(signal.SIGSTOP)
            time.sleep(self.dice.uniform(0, 1))
            server.signal(signal.SIGCONT)
        else:
            server.kill()
            server.start()
        for submission in submissions:
            submission.result(WITHIN_SECONDS)

    def _submit(self) -> None:
        name = secrets.token_hex(8)
        variables = [f"NAME={name}", f"RAN={self.ran}"]
        fields = {"command": COMMAND, "env": variables, "secrets": "WORD=sesame", "branch": name}
        try:
            with self.client() as client:
                answer = client.post("/submit-async", files={"file": zipped()}, data=fields)
        except httpx.TransportError:
            return
        assert answer.status_code in {200, 503}, answer.text
        if answer.status_code == 200:
            job_id = answer.json()["job_id"]
            self.readers[job_id] = self._threads.submit(Reader(self, job_id).read)
            self.acknowledged.add(job_id)

    def _cancel(self, job_id: str) -> None:
        self.cancelled.add(job_id)
        try:
            with self.client() as client:
                client.delete(f"/jobs/{job_id}")
        except httpx.TransportError:
            return

    def all_ended(self) -> Sequence[Mapping[str, Any]]:
        """All jobs, also those of whose submission nobody was told."""
        with self.client() as client:
            until(lambda: all(job["status"] in ENDED for job in _jobs(client)), WITHIN_SECONDS)
            until(lambda: not self.left(), WITHIN_SECONDS)
            return _jobs(client)

    def left(self) -> Sequence[Path]:
        """What runs have left on the disk."""
        patterns = ["jobs/*/attempts/*/run", "jobs/*/attempts/*/removed", "jobs/*/attempts/*/artifacts-*"]
        return [path for pattern in (*patterns, "*-runs/*") for path in self.data.glob(pattern)]

    def log(self, job_id: str) -> str:
        with self.client() as client:
            return client.get(f"/jobs/{job_id}/logs").text

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


def _jobs(client: httpx.Client) -> list[dict[str, Any]]:
    found, url = list[dict[str, Any]](), "/jobs?limit=100"
    while url:
        answer = client.get(url)
        found += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    return found


def _is_whole(crashes: ServerCrashes, job: Mapping[str, Any]) -> None:
    job_id, log = job["job_id"], crashes.log(job["job_id"])
    if job_id in crashes.readers:
        read = crashes.readers[job_id].result(WITHIN_SECONDS)
        assert read.text == log
        assert (read.end["status"], read.end["success"]) == (job["status"], job["success"])
    if job_id in crashes.cancelled and job["status"] == "cancelled":
        return
    assert (job["status"], job["success"], job["reason"]) == ("completed", True, None)
    assert log.endswith(PRINTED)
    assert log.count("line 0 of") == 1


def _come_to_their_ends(crashes: ServerCrashes) -> Sequence[Mapping[str, Any]]:
    for _ in range(ROUNDS):
        crashes.round()
    jobs = crashes.all_ended()
    assert crashes.acknowledged <= {job["job_id"] for job in jobs}
    for job in jobs:
        _is_whole(crashes, job)
    return jobs


@contextmanager
def server_crashes(folder: Path, **settings: str) -> Generator[ServerCrashes]:
    seed = int(os.environ.get("CI_CRASH_SEED") or secrets.randbits(32))
    print(f"again with CI_CRASH_SEED={seed}")  # noqa: T201
    wheels = folder / "wheels"
    wheels.mkdir()
    made_wheel(wheels, "pytest", "9.0", {"pytest.py": ""})
    settings = {"CI_RECONCILE_INTERVAL": "0.2", "CI_MAX_JOBS": "3", **installs_from(wheels), **settings}
    with ExitStack() as stack:
        servers = [stack.enter_context(RunningServer(folder, **settings)) for _ in range(SERVERS)]
        crashes = ServerCrashes(servers, folder, seed)
        stack.callback(crashes.close)
        yield crashes


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_wherever_servers_are_killed_jobs_run_once_and_streams_go_on_to_the_byte(
    database: str, tmp_path: Path, create_database: Callable[[], str], drop_database: Callable[[str], None]
) -> None:
    # Without bubblewrap on the path, so that jobs can tell outside that they ran.
    settings = {"CI_RUNNER": "process", "PATH": str(Path(sys.executable).parent)}
    if database == "postgresql":
        settings["CI_DATABASE_URL"] = create_database()
        migrate(Database.of(settings["CI_DATABASE_URL"], tmp_path).url)
    with server_crashes(tmp_path, **settings) as crashes:
        jobs = _come_to_their_ends(crashes)
        ran = Counter(crashes.ran.read_text().split())
    for job in jobs:
        assert ran[job["branch"]] == 1 or (job["status"] == "cancelled" and not ran[job["branch"]])
    if database == "postgresql":
        drop_database(settings["CI_DATABASE_URL"])


@pytest.mark.container
def test_wherever_servers_are_killed_containers_run_once_and_none_is_left(tmp_path: Path) -> None:
    url, prefix = engine_url(), new_prefix()
    settings = {
        "CI_RUNNER": "container",
        "DOCKER_HOST": url,
        "CI_CONTAINER_PREFIX": prefix,
        "CI_INSTALL_BINDS": f"{tmp_path}/wheels:{tmp_path}/wheels:ro",
    }
    try:
        with server_crashes(tmp_path, **settings) as crashes:
            _come_to_their_ends(crashes)
            until(lambda: not asyncio.run(_names(url, prefix)))
    finally:
        asyncio.run(clean(url, prefix))


async def _names(url: str, prefix: str) -> Sequence[str]:
    engine = Engine(url)
    try:
        return await engine.names(f"{LABEL}={prefix}")
    finally:
        await engine.close()
