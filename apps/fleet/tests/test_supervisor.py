import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fleet.errors import FleetError
from fleet.supervisor import Supervisor, Watched

STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(worker.pid, flush=True)
signal.pause()
"""


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path, stop_within=0.2)


def test_a_command_gives_its_output_and_sees_the_environment(supervisor: Supervisor) -> None:
    assert (
        supervisor.run("echo", python("import os; print(os.environ['WORD'])"), {"WORD": "hello"}) == "hello\n"
    )


def test_a_command_that_fails_is_named_with_the_end_of_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with pytest.raises(FleetError) as refused:
        supervisor.run("graph-migrate", python("print(1); raise SystemExit('no such table')"), {})
    assert str(refused.value) == (
        f"graph-migrate ended with exit code 1. The end of its log, {tmp_path}/graph-migrate.log:\nno such table"
    )


def test_a_child_that_ends_is_noticed(supervisor: Supervisor) -> None:
    supervisor.start("graph", python("print('out of luck')"), {})
    with pytest.raises(FleetError, match=r"graph ended with exit code 0\.(?s:.*)out of luck"):
        supervisor.wait()


def test_a_server_started_by_somebody_else_is_watched_too(supervisor: Supervisor, tmp_path: Path) -> None:
    codes = iter((None, None, -11))
    supervisor.watch(Watched("PostgreSQL", tmp_path / "none.log", lambda: next(codes)))
    with pytest.raises(FleetError, match=r"PostgreSQL ended with signal 11 \(Segmentation fault\)"):
        supervisor.wait()


def test_a_child_that_ignores_sigterm_is_killed_with_its_workers(
    supervisor: Supervisor, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    log = tmp_path / "graph.log"
    supervisor.start("graph", python(STUBBORN), {})
    eventually(lambda: log.read_text().endswith("\n"))
    worker = psutil.Process(int(log.read_text()))
    supervisor.stop()
    eventually(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    supervisor.stop()
