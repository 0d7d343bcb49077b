import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from embedded_services import EmbeddedPostgres
from embedded_services.child_process import server_environment
from embedded_services.postgres_installation import postgres_program

Eventually = Callable[[Callable[[], bool]], None]
Query = Callable[[str, str], str]
StartScript = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedPostgres]:
    """A server that tests may look at and query, and leave running."""
    folder = tmp_path_factory.mktemp("fleet") / "postgres"
    with EmbeddedPostgres(folder, settings={"work_mem": "7MB"}) as server:
        yield server


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition holds, at most a minute."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "did not happen within a minute"
            time.sleep(0.01)

    return wait


@pytest.fixture
def query() -> Query:
    """Run SQL at a URL; its output, a line for each row."""

    def run(url: str, sql: str) -> str:
        command = [postgres_program("psql"), "-XAtqc", sql, url]
        return subprocess.run(
            command, env=server_environment(), check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()

    return run


@pytest.fixture
def start_script() -> Generator[StartScript]:
    """Run Python text in a process of its own, which is killed after the test, and its children with it."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str, *arguments: Path | str | int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", text, *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=60)


@pytest.fixture
def is_running() -> Callable[[int], bool]:
    """Whether a process is there and has not ended (one that nobody has waited for has)."""

    def look(process: int) -> bool:
        try:
            return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return look
