"""The client and the server of this repository together."""

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from ci_running_server import RunningServer
from ci_terminal import COMMAND, WITHIN_SECONDS
from ci_wheelhouse import installs_from, wheelhouse

from ci_client import AsyncCiClient, CiClient, Refused

PRINTS = "import sys; [print(f'line {n} ✓', flush=True) for n in range(5000)]; print('no line break', end='')"
TEXT = "".join(f"line {n} ✓\n" for n in range(5000)) + "no line break"


@pytest.fixture
def running(tmp_path: Path) -> Generator[RunningServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    with RunningServer(folder, **installs_from(wheelhouse(tmp_path))) as server:
        yield server


@pytest.fixture
def key(running: RunningServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """That of a user, which the settings have, too."""
    key = running.key()["X-API-Key"]
    monkeypatch.setenv("CI_SERVER_URL", running.url)
    monkeypatch.setenv("CI_API_KEY", key)
    return key


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "tests").mkdir(parents=True)
    (folder / "requirements.txt").write_text("")
    (folder / "tests" / "test_it.py").write_text(
        "import os\n\ndef test_it():\n    print(os.environ['TOKEN'])\n\n\ndef test_no():\n    assert 1 == 2\n"
    )
    subprocess.run(["git", "init", "--quiet", "--initial-branch=topic"], cwd=folder, check=True)
    return folder


def ci(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        timeout=WITHIN_SECONDS * 3,
        check=False,
        stdin=subprocess.DEVNULL,
    )


async def test_tests_are_submitted_followed_listed_and_fetched(
    running: RunningServer, key: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "planted-canary")
    done = ci(project, "submit", "test", "--secret", "TOKEN", "--memory", "512m")
    assert done.returncode == 1, done.stderr.decode() + running.log
    assert b"test_no" in done.stdout
    assert b"planted-canary" not in done.stdout + done.stderr
    first, last = done.stderr.decode().splitlines()
    job_id = first.removeprefix("Job ")
    assert last.startswith("Failed: 1 failed, 1 passed in ")
    assert ci(project, "logs", job_id[:12]).stdout.endswith(done.stdout)
    assert ci(project, "list", "topic", "--failed").stdout.startswith(job_id.encode())
    assert ci(project, "artifacts", job_id, "--download", "got").returncode == 0
    assert b"test_no" in (project / "got" / "junit.xml").read_bytes()
    assert ci(project, "wait", job_id, "--all").stdout.endswith(done.stdout)
    client = AsyncCiClient(running.url, key)
    newest = await client.newest_job("topic")
    await client.close()
    assert newest
    assert (newest.job_id, newest.status, newest.success) == (job_id, "completed", False)


def test_a_log_arrives_whole_though_the_server_is_killed_and_started_again(
    running: RunningServer, key: str, project: Path
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "submit", "test", "--", "python", "-u", "-c", PRINTS],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout
    seen = b""
    while b"line 50 " not in seen:
        data = os.read(process.stdout.fileno(), 4096)
        assert data, running.log
        seen += data
    running.kill()
    running.start()
    rest, told = process.communicate(timeout=WITHIN_SECONDS * 3)
    assert process.returncode == 0, told.decode() + running.log
    assert (seen + rest).decode().endswith(TEXT)
    assert (seen + rest).count(b"line 0 ") == 1


def test_a_running_job_is_cancelled_and_retried(running: RunningServer, key: str, project: Path) -> None:
    submitted = ci(project, "submit", "test", "--async", "--", "echo begun; sleep 600")
    job_id = submitted.stdout.decode().strip()
    with CiClient(running.url, key) as client:
        stream = iter(client.stream(job_id))
        assert any(event.get("data", "").endswith("begun\n") for event in stream)
        with pytest.raises(Refused, match="is running"):
            client.retry(job_id)
        assert client.cancel(job_id, "enough").job_id == job_id
        assert list(stream)[-1]["status"] == "cancelled"
        job = client.job(job_id)
        assert job.reason
        assert "enough" in job.reason
        assert client.retry(job_id).attempt == 2
        assert b"".join(client.log(job_id, 1)).endswith(b"begun\n")
        client.cancel(job_id)
    waited = ci(project, "wait", job_id)
    assert waited.returncode == 1
    assert b"Cancelled" in waited.stderr


def test_what_is_no_project_is_refused_with_the_servers_reason(
    running: RunningServer, key: str, project: Path
) -> None:
    (project / "requirements.txt").unlink()
    refused = ci(project, "submit", "test", "--cpus", "1000")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"/body/cpus" in refused.stderr
    refused = ci(project, "submit", "test")
    assert refused.returncode == 2
    assert b"there is no requirements.txt or pyproject.toml" in refused.stderr
    assert ci(project, "list").stdout == b""
