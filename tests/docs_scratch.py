"""Where the commands of a page are run: a folder with what a checkout has, and what a machine would have."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ci_wheelhouse import installs_from, wheelhouse
from docs_pages import ROOT, Page

from embedded_services import EmbeddedPostgres
from embedded_services.postgres_installation import postgres_program
from embedded_services.server import free_port

COPIED = (
    ".env.example",
    "Dockerfile",
    "README.md",
    "compose",
    "docker-compose.yml",
    "docs",
    "helm",
    "samples",
)
BIN = Path(sys.executable).parent
STAND_INS = Path(__file__).parent / "stand_ins"
PORTS = {"graph": 8000, "metadata": 8001, "ci": 8002, "sql": 8003}
PORT_SETTINGS = {"graph": "API_PORT", "metadata": "METADATA_PORT", "ci": "CI_PORT", "sql": "COLDQUERY_PORT"}
WITHIN_SECONDS = 300
STOPPED_WITHIN_SECONDS = 30
PASSWORD = "secret"
BACKGROUND_ENDED_WELL = """
for job in $(jobs -p); do wait "$job" || [ $? = 143 ]; done
"""
"""Or was ended by the page itself."""


@dataclass(frozen=True)
class Machine:
    """Whose ports lead to the services, and which environment commands get there."""

    ports: Mapping[str, int]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    fleet_data: Path | None = None


def copied_checkout(folder: Path) -> Path:
    """A git repository below `folder` with what commands of the documentation read."""
    checkout = folder / "fleet"
    checkout.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name)
        elif source.exists():
            shutil.copy(source, checkout)
    author = ["-c", "user.name=docs", "-c", "user.email=docs@example.com"]
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "Docs"]):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    return checkout


@contextmanager
def running_fleet(folder: Path) -> Generator[Machine]:
    """A `fleet up --sample` on free ports, in a checkout of its own."""
    checkout, output = copied_checkout(folder), folder / "output"
    ports = [word for name in PORTS for word in (f"--{name}-port", "0")]
    environment = _environment(folder, {**installs_from(wheelhouse(folder)), "CI_RUNNER": "process"})
    with output.open("wb") as log:
        process = subprocess.Popen(
            [BIN / "fleet", "up", "--sample", *ports],
            cwd=checkout,
            env=environment,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    endpoints = checkout / ".fleet" / "endpoints.json"
    try:
        _until_there(endpoints, process, output)
        told = json.loads(endpoints.read_text())
        yield Machine(
            {name: int(url.rpartition(":")[2]) for name, url in told.items()}, {}, checkout / ".fleet"
        )
    finally:
        process.terminate()
        try:
            process.wait(STOPPED_WITHIN_SECONDS)
        finally:
            process.kill()


def _until_there(file: Path, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not file.exists():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, f"no {file.name} within {WITHIN_SECONDS} s\n{output.read_text()}"
        time.sleep(0.02)


def made_database(folder: Path) -> Path:
    """The folder of a PostgreSQL that has a user and a database `fleet`; copied, it is made for every page."""
    with EmbeddedPostgres(folder / "postgres") as server:
        made = f"CREATE ROLE fleet SUPERUSER LOGIN PASSWORD '{PASSWORD}'"
        for statement in (made, "CREATE DATABASE fleet OWNER fleet"):
            subprocess.run([postgres_program("psql"), "-Xqc", statement, server.url], check=True)
    return folder / "postgres"


@contextmanager
def machine_with_database(folder: Path, made: Path) -> Generator[Machine]:
    """A machine on which no service runs, with a copy of the database that was made."""
    ports = {name: free_port() for name in PORTS}
    # What it is run by may not be who runs the tests.
    subprocess.run(["cp", "--archive", made, folder / "postgres"], check=True)
    with EmbeddedPostgres(folder / "postgres") as server:
        port = server.url.rpartition(":")[2].partition("/")[0]
        url = f"postgresql://fleet:{PASSWORD}@127.0.0.1:{port}/fleet"
        environment = dict.fromkeys(("DATABASE_URL", "CI_DATABASE_URL", "ACCESS_DATABASE_URL"), url)
        environment |= {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "fleet", "PGDATABASE": "fleet"}
        environment |= {PORT_SETTINGS[name]: str(free) for name, free in ports.items()}
        yield Machine(ports, environment | {"PGPASSWORD": PASSWORD})


def run(page: Page, folder: Path, machine: Machine) -> str:
    """Run the page's commands below `folder`, and return them with what they printed.

    Raises AssertionError with that text if one of them fails or all of them take too long.
    """
    checkout, script, output = copied_checkout(folder), folder / "page.sh", folder / "output"
    if machine.fleet_data:
        (checkout / ".fleet").symlink_to(machine.fleet_data)
    script.write_text(f"set -euo pipefail\n{_with_ports(page.script, machine.ports)}{BACKGROUND_ENDED_WELL}")
    with output.open("wb") as log:
        process = subprocess.Popen(
            # -v: each command is shown as it is read.
            ["/bin/bash", "-v", script],
            cwd=checkout,
            env=_environment(folder, machine.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    exit_code = _exit_code(process)
    shown = output.read_text(errors="replace")
    assert exit_code == 0, f"{page.path} ended with {exit_code or f'nothing in {WITHIN_SECONDS} s'}:\n{shown}"
    return shown


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """Of the script; None where it does not end in time. What it left in the background is ended."""
    try:
        return process.wait(WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _with_ports(script: str, ports: Mapping[str, int]) -> str:
    for name, port in ports.items():
        script = re.sub(rf"\b(127\.0\.0\.1|localhost):{PORTS[name]}\b", rf"\g<1>:{port}", script)
    return script


def _environment(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    programs = (STAND_INS, postgres_program("psql").parent, BIN)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    # A request that is refused is a command that fails.
    (home / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return {
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TOOLHIVE_URL": "http://127.0.0.1:9",
        "STAND_IN_CLUSTER": str(folder / "cluster.json"),
        **given,
    }
