"""What a git process gets from the server, and what it does not."""

import os
from pathlib import Path

import pytest
from git_repositories import MadeRepository, isolate, script

from fleet_metadata.collectors.git.process import OF_ANOTHER_REPOSITORY, Git


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


async def test_git_gets_nothing_of_another_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hostile = (await Git(tmp_path).run("rev-parse", "--local-env-vars")).output.decode().split()
    assert set(hostile) <= OF_ANOTHER_REPOSITORY
    for name in {*hostile, *OF_ANOTHER_REPOSITORY}:
        monkeypatch.setenv(name, "/hostile")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    environment = (await Git(tmp_path, script(tmp_path, "env")).run("status")).output.decode().splitlines()
    assert not any("/hostile" in line for line in environment)
    assert {"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_PAGER=cat", f"HOME={os.environ['HOME']}"} <= set(
        environment
    )


async def test_git_gets_nothing_that_is_lacking_from_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_NO_LAZY_FETCH", "0")
    environment = (await Git(tmp_path, script(tmp_path, "env")).run("status")).output.decode().splitlines()
    assert "GIT_NO_LAZY_FETCH=1" in environment


async def test_a_filter_of_the_repository_gets_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = MadeRepository(tmp_path / "made")
    made.commit(**{"a": "one", ".gitattributes": "a filter=nosy"})
    made.git("config", "filter.nosy.clean", f"env > '{tmp_path}/seen'; cat")
    made.write("a", "two")
    # The last would be a setting, were there a number of settings.
    for name in ("GITHUB_TOKEN", "CODER_AGENT_TOKEN", "aws_secret_access_key", "GIT_CONFIG_VALUE_0"):
        monkeypatch.setenv(name, "canary7f3a")
    for name in ("GIT_ASKPASS", "SSH_ASKPASS", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "/kept")
    assert (await Git(made.folder).run("status")).code == 0
    seen = (tmp_path / "seen").read_text()
    assert "canary7f3a" not in seen
    assert {"GIT_ASKPASS=/kept", "SSH_ASKPASS=/kept", "SSH_AUTH_SOCK=/kept"} <= set(seen.splitlines())


async def test_git_takes_no_locks_and_starts_no_monitor(tmp_path: Path) -> None:
    told = (await Git(tmp_path, script(tmp_path, 'printf "%s\\n" "$@"')).run("status", "-z")).output.decode()
    assert told.splitlines() == [
        *("--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(tmp_path), "status", "-z")
    ]


async def test_git_reads_nothing_and_leads_a_session_of_its_own(tmp_path: Path) -> None:
    git = Git(tmp_path, script(tmp_path, 'cat; cut -d" " -f1,6 "/proc/$$/stat"'))
    pid, session = (await git.run("status")).output.split()
    assert pid == session


async def test_the_server_may_stand_in_a_folder_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = MadeRepository(tmp_path / "made")
    git = Git(made.folder)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert (await git.run("rev-parse", "--is-inside-work-tree")).output == b"true\n"
