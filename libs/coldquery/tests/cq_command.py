"""The command `coldquery`, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from coldquery.cli import main
from coldquery.settings import Settings

WITHIN_SECONDS = 60
COMMAND = (sys.executable, "-P", "-m", "coldquery")


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, of ColdQuery's settings only those given."""
    settings = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in settings} | dict(given)


def run(*arguments: str, exit_code: int = 0, **given: str) -> tuple[str, str]:
    """What the command says on its standard output and on standard error; it has to end with that code.

    On an event loop, call it in a thread.
    """
    others = dict.fromkeys({name.upper() for name in Settings.model_fields} - given.keys())
    ended = CliRunner().invoke(main, arguments, env={**others, "COLUMNS": "200", **given})
    assert ended.exit_code == exit_code, ended.output
    return ended.stdout, ended.stderr


def talk(*messages: Mapping[str, object], **given: str) -> tuple[list[dict[str, Any]], str]:
    """What `serve --stdio` answers to each of `messages` that has an id, and its log.

    All of its output is JSON. On an event loop, call it in a thread.
    """
    process = subprocess.Popen(
        [*COMMAND, "serve", "--stdio"],
        env=environment(given),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    answers: list[dict[str, Any]] = []
    killer = threading.Timer(WITHIN_SECONDS, process.kill)
    killer.start()
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()
            if "id" in message:
                answers.append(json.loads(process.stdout.readline()))
        rest, log = process.communicate(timeout=WITHIN_SECONDS)
        assert (rest, process.returncode) == ("", 0), log
        return answers, log
    finally:
        killer.cancel()
        process.kill()


def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; raises TimeoutError."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {WITHIN_SECONDS} s in vain")
        time.sleep(0.02)


@contextmanager
def serving(port: int, log: Path, **given: str) -> Generator[str]:
    """The address of `coldquery serve`, once it is ready; it has to end with 0 when it is told to."""
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)], env=environment(given), stdout=file, stderr=file
        )
    try:
        until(lambda: process.poll() is not None or _is_ready(url))
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(WITHIN_SECONDS) == 0, log.read_text()
        finally:
            process.kill()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False, timeout=WITHIN_SECONDS).is_success
    except httpx.TransportError:
        return False
