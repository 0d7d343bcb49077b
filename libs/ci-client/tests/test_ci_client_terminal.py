"""The command on a terminal: its line of state, and what Ctrl-C asks."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from ci_small_server import SmallCiServer, SmallJob
from ci_terminal import COMMAND, WITHIN_SECONDS, Terminal

pytestmark = pytest.mark.usefixtures("settings")
QUESTION = "Cancel the job, or let it run? [c]ancel/[l]et it run/[g]o on: "


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    return tmp_path


@pytest.fixture
def printing(server: SmallCiServer) -> list[SmallJob]:
    """Jobs that have printed a line, and go on."""
    jobs = list[SmallJob]()

    def begin(job: SmallJob) -> None:
        jobs.append(job)
        server.print(job, "collecting\n")

    server.on_submit = begin
    return jobs


def test_a_terminal_shows_the_state_below_the_log(server: SmallCiServer, project: Path) -> None:
    server.on_submit = lambda job: server.change(job, position=3)
    with Terminal("submit", "test", folder=project) as terminal:
        terminal.wait_for("queued, place 3")
        [job] = server.jobs.values()
        server.print(job, "collecting\n")
        terminal.wait_for("collecting")
        terminal.wait_for("running, ")
        server.print_and_end(job, "no line break", results={"passed": 2, "duration": 1.25})
        terminal.wait_for("no line break")
        terminal.wait_for("\x1b[32mPassed: 2 passed in 1.2 s.")
        assert terminal.code() == 0


def test_a_job_that_prints_nothing_is_shown_to_run(server: SmallCiServer, project: Path) -> None:
    server.on_submit = lambda job: server.change(job, position=1)
    with Terminal("submit", "test", folder=project) as terminal:
        terminal.wait_for("queued, place 1")
        [job] = server.jobs.values()
        server.change(job, status="running", position=None)
        terminal.wait_for("running, ")
        server.print_and_end(job)
        assert terminal.code() == 0


def test_waiting_for_a_job_that_prints_nothing_shows_it_to_run(server: SmallCiServer, tmp_path: Path) -> None:
    job = server.add(status="running")
    with Terminal("wait", job.job_id, folder=tmp_path) as terminal:
        terminal.wait_for("connected")
        terminal.wait_for("running, ")
        server.print_and_end(job)
        assert terminal.code() == 0


def test_no_colour_is_used_where_none_is_wanted(server: SmallCiServer, project: Path) -> None:
    server.on_submit = lambda job: server.print_and_end(job, success=False)
    with Terminal("submit", "test", folder=project, env={"NO_COLOR": "1"}) as terminal:
        assert terminal.code() == 1
        assert "Failed (exit code 1)." in terminal.seen
        assert "\x1b[3" not in terminal.seen


def test_ctrl_c_asks_and_cancels(server: SmallCiServer, project: Path, printing: list[SmallJob]) -> None:
    with Terminal("submit", "test", folder=project) as terminal:
        terminal.wait_for("collecting")
        terminal.interrupt()
        terminal.wait_for(QUESTION)
        terminal.type("what\n")
        terminal.wait_for(QUESTION)
        terminal.type("c\n")
        terminal.wait_for("is being cancelled.")
        assert terminal.code() == 130
    assert (printing[0].status, printing[0].reason) == ("cancelled", "Ctrl-C")


@pytest.mark.parametrize("how", ["l\n", "\x04", None], ids=["let it run", "end of input", "again"])
def test_ctrl_c_leaves_the_job_running(
    server: SmallCiServer, project: Path, printing: list[SmallJob], how: str | None
) -> None:
    with Terminal("submit", "test", folder=project) as terminal:
        terminal.wait_for("collecting")
        terminal.interrupt()
        terminal.wait_for(QUESTION)
        if how:
            terminal.type(how)
        else:
            terminal.interrupt()
        terminal.wait_for(f"The job goes on: `ci wait {printing[0].job_id}` follows it")
        assert terminal.code() == 130
    assert printing[0].status == "running"


def test_after_ctrl_c_it_may_go_on_where_it_was(
    server: SmallCiServer, project: Path, printing: list[SmallJob]
) -> None:
    with Terminal("submit", "test", folder=project) as terminal:
        terminal.wait_for("collecting")
        terminal.interrupt()
        terminal.wait_for(QUESTION)
        server.print_and_end(printing[0], "the rest\n")
        terminal.type("g\n")
        terminal.wait_for("the rest")
        assert terminal.code() == 0
    assert server.asked["GET /jobs/ID/stream"] == 0


def test_without_a_terminal_ctrl_c_leaves_the_job_and_tells_how_to_come_back(
    server: SmallCiServer, project: Path, printing: list[SmallJob]
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "submit", "test"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"collecting\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=WITHIN_SECONDS)
    job_id = printing[0].job_id
    assert process.returncode == 130
    assert told.decode().splitlines() == [
        f"Job {job_id}",
        f"The job goes on: `ci wait {job_id}` follows it, `ci cancel {job_id}` cancels it.",
    ]
    assert printing[0].status == "running"


def test_a_reader_that_has_enough_ends_the_command_quietly(server: SmallCiServer, tmp_path: Path) -> None:
    job = server.add(log="line\n" * 100_000, status="completed", success=True)
    process = subprocess.Popen(
        [*COMMAND, "logs", job.job_id], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    assert os.read(process.stdout.fileno(), 5) == b"line\n"
    process.stdout.close()
    assert process.wait(WITHIN_SECONDS) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_lists_are_tables_on_a_terminal(server: SmallCiServer, tmp_path: Path) -> None:
    form = {"branch": ["[red]main"], "commit": ["c" * 40], "command": ["pytest\n\x1b[2J"]}
    done = server.add(status="completed", success=False, results={"failed": 1, "passed": 2}, form=form)
    with Terminal("list", folder=tmp_path, env={"NO_COLOR": "1"}) as terminal:
        assert terminal.code() == 0
        assert "submitted" in terminal.seen
        line = next(line for line in terminal.seen.splitlines() if line.startswith(done.job_id[:8]))
        assert "failed  1 failed, 2 passed  [red]main  cccccccc  2026-" in line
        assert "\x1b[2J" not in line


def test_a_lost_connection_is_told(server: SmallCiServer, tmp_path: Path) -> None:
    job = server.add(log="begin\n", status="running")
    server.cuts.append(30)
    with Terminal("wait", job.job_id, "--all", folder=tmp_path) as terminal:
        terminal.wait_for("Connecting again in ")
        server.print_and_end(job, "end\n")
        assert terminal.code() == 0
