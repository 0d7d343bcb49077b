"""What the README shows runs as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ci_small_server import SmallCiServer
from ci_terminal import COMMAND, WITHIN_SECONDS

pytestmark = pytest.mark.usefixtures("settings")
README = (Path(__file__).parents[1] / "README.md").read_text()
SHOWN = re.findall(r"^uv run (ci .*?) *#", README, re.MULTILINE)
IN_TABLE = ["ci wait ID", "ci logs ID", "ci artifacts ID", "ci retry ID", "ci config"]


@pytest.fixture
def project(server: SmallCiServer, tmp_path: Path) -> Path:
    server.on_submit = lambda job: server.print_and_end(job, "1 passed\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_cart.py").write_text("def test_it(): pass\n")
    return tmp_path


@pytest.mark.parametrize("line", [*SHOWN, *IN_TABLE])
def test_the_commands_run(server: SmallCiServer, project: Path, line: str) -> None:
    assert f"`{line}`" in README or line in SHOWN
    server.add("a" * 32, status="completed", success=True)
    command = [*COMMAND, *shlex.split(line.replace("ID", "aaa"))[1:]]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=WITHIN_SECONDS)


def test_the_example_prints_the_log_and_the_end(server: SmallCiServer, project: Path) -> None:
    [script] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, check=True, capture_output=True, timeout=WITHIN_SECONDS
    )
    assert done.stdout == b"1 passed\npassed\n"
    assert [job.form["command"] for job in server.jobs.values()] == [["pytest -q"]]
