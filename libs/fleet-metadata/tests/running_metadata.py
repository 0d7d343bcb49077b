"""The metadata server as a process of its own, as users start it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

from embedded_services.server import free_port
from fleet_metadata.settings import Settings

COMMAND = (sys.executable, "-P", "-m", "fleet_metadata")
WITHIN_SECONDS = 120
STOPPED_WITHIN_SECONDS = 30

_ALIASES = {"GH_TOKEN", "CODER_SESSION_TOKEN", "CODER_WORKSPACE_OWNER_NAME", "CODER_WORKSPACE_AGENT_NAME"}


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, of the server's settings only those given, and where the tests have no ToolHive."""
    settings = {name.upper() for name in Settings.model_fields if name != "toolhive_url"} | _ALIASES
    return {name: value for name, value in os.environ.items() if name not in settings} | dict(given)


class RunningMetadata:
    """`serve` on a free port, on `folder`; a context manager. `log` is what it wrote."""

    def __init__(self, folder: Path, log: Path, **settings: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self._log = log
        told = {"METADATA_FOLDER": str(folder), "METADATA_PORT": str(port), **settings}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*COMMAND, "serve"], env=environment(told), stdout=output, stderr=output
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not self._is_up():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, and give the exit code; raises subprocess.TimeoutExpired after half a minute."""
        self._process.send_signal(number)
        return self._process.wait(STOPPED_WITHIN_SECONDS)

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/livez", trust_env=False, timeout=WITHIN_SECONDS).is_success
        except httpx.TransportError:
            return False

    def __enter__(self) -> Self:
        try:
            self.wait_until_up()
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
