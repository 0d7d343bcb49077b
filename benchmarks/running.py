"""Servers as processes of their own, which end with the benchmark."""

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep
from typing import Literal

from load import Address

from embedded_services import dies_with_parent
from embedded_services.server import free_port

BARE_ROUTE = Path(__file__).with_name("bare_route.py")
UP_WITHIN_SECONDS = 30
STOPPED_WITHIN_SECONDS = 15


@contextmanager
def running(folder: Path, arguments: list[str], port: int, environment: Mapping[str, str]) -> Generator[None]:
    """`python` with these arguments, listening on `port`; its log is in `folder`. Raises RuntimeError."""
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            dies_with_parent([sys.executable, *arguments]),
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
    try:
        if not _comes_up(port, process):
            raise RuntimeError(f"The server did not start:\n{log.read_text()[-2000:]}")
        yield
    finally:
        process.terminate()
        process.wait(STOPPED_WITHIN_SECONDS)


@contextmanager
def bare_routes(
    folder: Path, framework: Literal["fastapi", "starlette"], answers: Mapping[str, bytes]
) -> Generator[Address]:
    """A server with nothing but a route for each of `answers`, by its path without the slash."""
    files = Path(mkdtemp(dir=folder))
    for name, body in answers.items():
        (files / name).write_bytes(body)
    address = Address(free_port(), "")
    with running(folder, [str(BARE_ROUTE), framework, str(address.port), str(files)], address.port, {}):
        yield address


def _comes_up(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = monotonic() + UP_WITHIN_SECONDS
    while process.poll() is None and monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            sleep(0.05)
        else:
            return True
    return False
