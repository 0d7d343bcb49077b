"""What the README shows runs as it stands, but for the port."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from git_repositories import MadeRepository, isolate
from running_metadata import RunningMetadata, environment

from fleet_metadata import Collector
from fleet_metadata.settings import Settings
from fleet_metadata.workspace import Workspace

README = (Path(__file__).parents[1] / "README.md").read_text()
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
ALIASES = {"coder_agent_name": "CODER_WORKSPACE_AGENT_NAME", "coder_workspace_owner": "CODER_WORKSPACE_OWNER"}


def test_every_setting_is_in_the_table() -> None:
    names = [ALIASES.get(name, name.upper()) for name in Settings.model_fields]
    assert [name for name in names if f"`{name}`" not in README] == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningMetadata]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("readme")
        isolate(monkeypatch, folder)
        MadeRepository(folder / "project").commit("First")
        with RunningMetadata(folder / "project", folder / "log") as server:
            yield server


def of_server(text: str, server: RunningMetadata) -> str:
    return text.replace("http://127.0.0.1:8001", server.url)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("show", "git_branch                  main\n"),
        ("get git_branch", "main\n"),
        ('curl "http://127.0.0.1:8001/metadata?prefix=git_"', '{"data":{"git_branch":{"value":"main"'),
        ('curl "http://127.0.0.1:8001/metadata/git_branch?format=text"', "main"),
        ("show --url http://127.0.0.1:8001", "git_branch                  main\n"),
    ],
)
def test_a_command_shows_what_the_workspace_does(server: RunningMetadata, command: str, shown: str) -> None:
    command = command if command.startswith("curl") else f"uv run fleet-metadata {command}"
    assert any(line.partition("  #")[0].strip() == command for line in SHELL)
    path = Path(sys.executable).parent
    run = of_server(command.replace("uv run fleet-metadata", f"{path}/fleet-metadata"), server)
    folder = {"METADATA_FOLDER": str(server.folder)}
    done = subprocess.run(
        ["bash", "-c", run], env=environment(folder), capture_output=True, text=True, timeout=60, check=True
    )
    assert shown in done.stdout


def test_the_client_reads_what_is_there_and_says_what_is_not(server: RunningMetadata) -> None:
    [script] = [block for block in PYTHON if "FleetClient" in block]
    done = subprocess.run(
        [sys.executable, "-c", of_server(script, server)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    mine, gone = done.stdout.splitlines()
    assert mine == "mine main"
    assert gone.startswith("gone 127.0.0.1:9 ")


def test_the_collector_of_ones_own_is_one(tmp_path: Path) -> None:
    [script] = [block for block in PYTHON if "class NotesCollector" in block]
    names: dict[str, Any] = {}
    exec(script, names)
    (tmp_path / "first.note").touch()
    collector = names["NotesCollector"](Workspace(Settings(metadata_folder=tmp_path)))
    assert isinstance(collector, Collector)
    assert asyncio.run(collector.collect()).values == {"notes_count": 1}
