import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from embedded_services import EmbeddedPostgres, dies_with_parent
from embedded_services.child_process import ChildProcess
from embedded_services.parent_death import USER_NAMESPACE, _is_alive

Eventually = Callable[[Callable[[], bool]], None]
IsRunning = Callable[[int], bool]
StartScript = Callable[..., subprocess.Popen[str]]
Query = Callable[[str, str], str]

BOTH_SERVERS = """
import sys
from pathlib import Path
from embedded_services import EmbeddedPostgres, EmbeddedValkey
postgres = EmbeddedPostgres(Path(sys.argv[1]) / "postgres")
print(postgres.start(), flush=True)
EmbeddedValkey(Path(sys.argv[1]) / "valkey").start()
print("both run", flush=True)
sys.stdin.read()
"""

DIES_WITH_PARENT = """
import subprocess, sys
from embedded_services import dies_with_parent
child = subprocess.Popen(dies_with_parent(["sleep", "300"], identity=sys.argv[1]))
print(child.pid, flush=True)
sys.stdin.read()
"""

PYTHON_CHILD = """
import subprocess, sys
child = "import time, embedded_services as e; e.die_with_parent(); print('ready', flush=True); time.sleep(300)"
process = subprocess.Popen([sys.executable, "-c", child])
print(process.pid, flush=True)
sys.stdin.read()
"""

WITHOUT_HELP_OF_THE_KERNEL = """
import os, subprocess, sys
guarded = "import os, sys; from embedded_services import parent_death as p; p._guard(int(sys.argv[1]), 9);"
watching = "import sys; from embedded_services import parent_death as p; p._die_after(int(sys.argv[1]))"
for child in (guarded + "os.execvp('sleep', ['sleep', '300'])", watching):
    print(subprocess.Popen([sys.executable, "-c", child, str(os.getpid())]).pid, flush=True)
sys.stdin.read()
"""


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_kill_9_of_the_supervisor_leaves_no_server_and_loses_nothing(
    tmp_path: Path, start_script: StartScript, eventually: Eventually, is_running: IsRunning, query: Query
) -> None:
    supervisor = start_script(BOTH_SERVERS, tmp_path)
    url = next_line(supervisor)
    assert next_line(supervisor) == "both run"
    query(url, "CREATE TABLE note AS SELECT 'acknowledged' AS text")
    with ThreadPoolExecutor() as threads:
        busy = "SELECT count(*) FROM generate_series(1, 1e12::bigint)"
        client = threads.submit(query, url, busy)
        active = f"SELECT count(*) FROM pg_stat_activity WHERE query='{busy}' AND state='active'"
        eventually(lambda: query(url, active) == "1")
        family = [process.pid for process in psutil.Process(supervisor.pid).children(recursive=True)]
        assert len(family) > 5
        supervisor.kill()
        eventually(lambda: not any(map(is_running, family)))
        assert client.exception(timeout=60)
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert query(server.url, "SELECT text FROM note") == "acknowledged"


def test_the_next_start_need_not_wait_after_a_kill_9_of_the_supervisor(
    tmp_path: Path, start_script: StartScript, query: Query
) -> None:
    for expected in range(5):
        supervisor = start_script(BOTH_SERVERS, tmp_path)
        url = next_line(supervisor)
        query(url, "CREATE TABLE IF NOT EXISTS life (number int)")
        assert query(url, "SELECT count(*) FROM life") == str(expected)
        query(url, "INSERT INTO life VALUES (1)")
        assert next_line(supervisor) == "both run"
        supervisor.kill()
        supervisor.wait()


@pytest.mark.parametrize("identity", ["own", USER_NAMESPACE])
def test_any_command_can_be_made_to_die_with_its_parent(
    start_script: StartScript, eventually: Eventually, is_running: IsRunning, identity: str
) -> None:
    parent = start_script(DIES_WITH_PARENT, identity)
    child = int(next_line(parent))
    eventually(lambda: psutil.Process(child).name() == "sleep")
    parent.kill()
    eventually(lambda: not is_running(child))


def test_a_python_process_can_ask_to_die_with_its_parent(
    start_script: StartScript, eventually: Eventually, is_running: IsRunning
) -> None:
    parent = start_script(PYTHON_CHILD)
    # Whichever of the two is the first to say its word.
    child, ready = sorted(next_line(parent) for _ in range(2))
    assert ready == "ready"
    parent.kill()
    eventually(lambda: not is_running(int(child)))


def test_a_parent_that_was_gone_before_is_noticed_if_it_is_known() -> None:
    late = "import embedded_services as e, os, sys; e.die_with_parent(int(sys.argv[1])); print('lives on')"
    command = [sys.executable, "-c", late, str(os.getppid())]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=False).returncode == -signal.SIGKILL


def test_a_python_process_that_asked_ends_as_usual_while_its_parent_lives() -> None:
    text = "import embedded_services as e, os; e.die_with_parent(os.getppid()); print('done')"
    result = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert result.stdout == "done\n"


def test_a_process_is_alive_until_it_is_gone() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert [_is_alive(process) for process in (os.getpid(), 1, gone.pid)] == [True, True, False]


def test_where_the_kernel_does_not_help_the_parent_is_watched(
    start_script: StartScript, eventually: Eventually, is_running: IsRunning
) -> None:
    parent = start_script(WITHOUT_HELP_OF_THE_KERNEL)
    children = [int(next_line(parent)) for _ in range(2)]
    eventually(lambda: psutil.Process(children[0]).name() == "sleep")
    family = [process.pid for process in psutil.Process(parent.pid).children(recursive=True)]
    assert len(family) == 3
    parent.kill()
    parent.wait()
    eventually(lambda: not any(map(is_running, family)))


def test_a_command_whose_parent_is_gone_already_does_not_run(tmp_path: Path) -> None:
    command = dies_with_parent(["touch", str(tmp_path / "done")])
    command[command.index(str(os.getpid()))] = str(os.getppid())
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "done").exists()


def test_a_command_that_is_not_there_is_named() -> None:
    result = subprocess.run(dies_with_parent(["/no/such"]), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "cannot start /no/such" in result.stderr


def test_a_command_gets_its_own_arguments_and_the_usual_signals() -> None:
    text = "import signal, sys; print(sys.argv[1:])"
    strange = ["", "two words", "-x", "☃", "$HOME"]
    command = dies_with_parent([sys.executable, "-c", text, *strange])
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == str(strange)
    ignored = subprocess.run(
        dies_with_parent(["grep", "SigIgn", "/proc/self/status"]), capture_output=True, text=True, check=True
    )
    pipe = 1 << (signal.SIGPIPE - 1)
    assert not int(ignored.stdout.split()[1], 16) & pipe


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path, eventually: Eventually) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)"
    log = tmp_path / "log"
    with log.open("ab") as file:
        child = ChildProcess([sys.executable, "-c", deaf], folder=tmp_path, log=file)
    eventually(lambda: log.read_text() == "deaf\n")
    child.stop(signal.SIGTERM, kill_after=0.2)
    eventually(lambda: child.exit_code() == -signal.SIGKILL)


def test_ctrl_c_in_the_terminal_does_not_reach_a_child(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as file:
        child = ChildProcess(["sleep", "300"], folder=tmp_path, log=file)
    try:
        assert os.getpgid(child.pid) != os.getpgid(0)
    finally:
        child.stop(signal.SIGTERM)
