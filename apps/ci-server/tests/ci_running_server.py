"""The CI server as its users run it: real processes on a real port."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import httpx
from ci_api_factories import make_key

from ci_server.settings import Settings
from ci_server.storage.database import Database
from embedded_services.server import free_port

COMMAND = (sys.executable, "-m", "ci_server")
WITHIN_SECONDS = 60
STOPPED_WITHIN_SECONDS = 10


def until(condition: Callable[[], object], seconds: float = WITHIN_SECONDS) -> None:
    """Wait until `condition` holds; raises TimeoutError. On an event loop, call it in a thread."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain")
        time.sleep(0.02)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, of the server's settings only those given."""
    settings = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in settings} | dict(given)


def run(*arguments: str, folder: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command of the server, run to its end, in that folder."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )


class RunningServer:
    """`serve` on a free port, with all that it keeps below a folder; a context manager.

    Jobs run as processes unless `settings` say otherwise. `log` is what it wrote.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        port = str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self._log_file = folder / f"server-{port}.log"
        often = {"RATE_LIMIT_SUBMIT": "100000/min", "RATE_LIMIT_READ": "100000/min"}
        places = {"CI_DB_PATH": str(folder / "ci_jobs.db"), "CI_DATA_DIR": str(folder / "ci_data")}
        self.settings = {"CI_PORT": port, "CI_RUNNER": "process"} | often | places | settings
        self.start()

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Start it, or start it again on the same port, and wait until it is ready."""
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "serve"], env=environment(self.settings), stdout=log, stderr=log
            )
        try:
            until(lambda: self._process.poll() is not None or self.is_ready())
            assert self._process.poll() is None, self.log
        except BaseException:
            self.end()
            raise

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False, verify=False).is_success
        except httpx.TransportError:
            return False

    def key(self, *scopes: str, name: str = "tests") -> dict[str, str]:
        """The header with a new key. Blocks; on an event loop, call it in a thread."""

        async def made() -> dict[str, str]:
            given, file = self.settings.get("CI_DATABASE_URL"), Path(self.settings["CI_DB_PATH"])
            database = Database.of(given, file)
            try:
                return await make_key(database, *scopes, name=name)
            finally:
                await database.close()

        return asyncio.run(made())

    def client(self, headers: Mapping[str, str]) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=WITHIN_SECONDS, trust_env=False, verify=False
        )

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait(WITHIN_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self, seconds: float = STOPPED_WITHIN_SECONDS) -> int:
        """The exit code, once it has ended; raises subprocess.TimeoutExpired."""
        return self._process.wait(seconds)

    def end(self) -> None:
        """End it one way or another."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOPPED_WITHIN_SECONDS * 2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()
