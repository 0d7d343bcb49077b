"""What the README shows runs as it stands, and its table of settings is whole."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ci_running_server import WITHIN_SECONDS, RunningServer, environment
from ci_wheelhouse import installs_from, wheelhouse
from ci_zips import a_zip

from ci_server.settings import Settings

README = (Path(__file__).parents[1] / "README.md").read_text()
ROWS = re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \| (.*?) \|$", README, re.MULTILINE)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_in_the_table_with_its_default(name: str) -> None:
    field = Settings.model_fields[name]
    [(default, description)] = [row[1:] for row in ROWS if row[0] == name.upper()]
    assert description == field.description
    if name != "ci_max_jobs":
        meant = field.get_default(call_default_factory=True, validated_data={})
        assert default.strip("`").lower() == (str(meant).lower() if meant not in (None, []) else "")


def test_nothing_else_is_in_the_table() -> None:
    assert {name for name, _, _ in ROWS} == {name.upper() for name in Settings.model_fields}


def test_the_first_commands_run_a_job(tmp_path: Path) -> None:
    [block] = re.findall(r"```sh\n(ci-server serve .*?)```", README, re.DOTALL)
    served, *commands = re.sub(r" +#.*", "", block).splitlines()
    assert served == "ci-server serve &"
    (tmp_path / "project.zip").write_bytes(a_zip())
    with RunningServer(tmp_path, **installs_from(wheelhouse(tmp_path))) as server:
        script = "\n".join(commands).replace("http://127.0.0.1:8002", server.url)
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=tmp_path,
            env=environment({"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}),
            capture_output=True,
            text=True,
            check=True,
            timeout=WITHIN_SECONDS,
        )
    events = [
        json.loads(line.removeprefix("data: ")) for line in done.stdout.splitlines() if line[:5] == "data:"
    ]
    assert events[0]["type"] == "job_id"
    assert events[-1] == {"type": "complete", "success": True} | events[-1]
