"""The command line of the server, run as operators do."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from ci_api_factories import zipped
from ci_running_server import COMMAND, RunningServer, environment, until
from ci_running_server import run as run_alone
from typer.testing import CliRunner, Result

from ci_server.cli import main
from ci_server.settings import Settings

KEY = re.compile(r"fleet_[0-9a-z]{12}_[0-9A-Za-z]{38}\n")
AWAY = "postgresql://fleet:hunter2@127.0.0.1:1/ci"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def run(*arguments: str, folder: Path | None = None, **settings: str) -> Result:
    """A command, run in this process with these settings, in that folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        if folder:
            patch.chdir(folder)
        return CliRunner().invoke(main, arguments)


def _complaint(result: Result) -> str:
    """The one line of a command that failed as it should."""
    assert result.exit_code in (1, 2), result.output
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


def test_help_names_every_command() -> None:
    told = run("--help")
    assert told.exit_code == 0
    for command in ("serve", "controller", "migrate", "webhook-secret", "users", "api-keys"):
        assert command in told.stdout


def test_a_user_is_created_listed_and_deactivated(tmp_path: Path) -> None:
    assert run("migrate", folder=tmp_path).exit_code == 0
    created = run("users", "create", "ann", folder=tmp_path)
    assert KEY.fullmatch(created.stdout), created
    assert created.stdout.strip() not in created.stderr
    run("users", "create", "ann", folder=tmp_path)
    [ann] = json.loads(run("users", "list", "--json", folder=tmp_path).stdout)
    assert ann == {
        "name": "ann",
        "keys": 2,
        "jobs": dict.fromkeys(["queued", "running", "completed", "failed", "cancelled"], 0),
        "latest": None,
    }
    [first, second] = json.loads(run("api-keys", "list", "--json", folder=tmp_path).stdout)
    assert first["scopes"] == second["scopes"] == ["read", "write"]
    assert "2 keys of ann" in run("users", "deactivate", "ann", folder=tmp_path).stderr
    [ann] = json.loads(run("users", "list", "--json", folder=tmp_path).stdout)
    assert ann["keys"] == 0
    assert "users list" in _complaint(run("users", "deactivate", "ann", folder=tmp_path))


def test_a_name_that_no_key_may_have_is_refused(tmp_path: Path) -> None:
    run("migrate", folder=tmp_path)
    assert "name" in _complaint(run("users", "create", " ann", folder=tmp_path))


def test_a_key_has_limits_of_its_own(tmp_path: Path) -> None:
    run("migrate", folder=tmp_path)
    limits = ("--submit-limit", "5/min", "--read-limit", "9/s")
    assert KEY.fullmatch(run("api-keys", "create", "--name", "bob", *limits, folder=tmp_path).stdout)
    [key] = json.loads(run("api-keys", "list", "--json", folder=tmp_path).stdout)
    assert key["limits"] == {"submit": "5/min", "read": "9/sec"}


def test_without_any_database_keys_are_looked_for_nowhere(tmp_path: Path) -> None:
    for command in (("users", "list"), ("api-keys", "list"), ("users", "create", "ann")):
        line = _complaint(run(*command, folder=tmp_path))
        assert "ci_jobs.db" in line
        assert ".fleet" in line
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def fleet(tmp_path: Path, create_database: Callable[..., str], drop_database: Callable[[str], None]) -> Path:
    """A folder in which `fleet up` runs."""
    url = create_database()
    assert run("migrate", CI_DATABASE_URL=url).exit_code == 0
    folder = tmp_path / ".fleet"
    folder.mkdir()
    (folder / "database-url").write_text(f"{url}\n")
    return folder


def _names(*options: str, folder: Path, **settings: str) -> list[str]:
    listed = run("api-keys", "list", "--json", *options, folder=folder, **settings)
    return [key["name"] for key in json.loads(listed.stdout)]


def test_the_database_is_the_one_given_else_the_file_else_that_of_fleet_up(
    fleet: Path, tmp_path: Path, create_database: Callable[..., str]
) -> None:
    url = (fleet / "database-url").read_text().strip()
    run("users", "create", "of-fleet", folder=tmp_path)
    assert _names(folder=tmp_path) == ["of-fleet"]
    assert _names("--data-dir", str(fleet), folder=fleet) == ["of-fleet"]
    run("migrate", folder=tmp_path)
    run("users", "create", "of-file", folder=tmp_path)
    assert _names(folder=tmp_path) == ["of-file"]
    assert _names(folder=tmp_path, CI_DATABASE_URL=url) == ["of-fleet"]
    other = create_database()
    run("migrate", CI_DATABASE_URL=other)
    run("users", "create", "of-access", ACCESS_DATABASE_URL=other)
    assert _names(folder=tmp_path, CI_DATABASE_URL=url, ACCESS_DATABASE_URL=other) == ["of-access"]


def test_migrate_may_run_twice_and_makes_both_databases(
    tmp_path: Path, create_database: Callable[..., str]
) -> None:
    settings = {"CI_DATABASE_URL": create_database(), "ACCESS_DATABASE_URL": create_database()}
    for _ in range(2):
        result = run("migrate", folder=tmp_path, **settings)
        assert (result.exit_code, result.stderr) == (0, "The database is up to date.\n")
    assert _names(folder=tmp_path, **settings) == []


@pytest.mark.parametrize("command", [("migrate",), ("api-keys", "list"), ("users", "list")])
@pytest.mark.parametrize("name", ["CI_DATABASE_URL", "ACCESS_DATABASE_URL"])
def test_a_database_that_is_away_is_one_line_without_its_password(
    tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    line = _complaint(run(*command, folder=tmp_path, **{name: AWAY}))
    assert "database" in line
    assert "hunter2" not in line


def test_wrong_settings_stop_the_start_with_one_line_each_that_names_them(tmp_path: Path) -> None:
    wrong = {
        "CI_PORT": "99999",
        "CI_DATABASE_URL": "mysql://root:hunter2@127.0.0.1/ci",
        "REDIS_URL": "http://:hunter2@127.0.0.1",
        "RATE_LIMIT_SUBMIT": "lots",
        "CI_RUNNER": "magic",
        "CI_MAX_UPLOAD_MB": "0",
        "CI_UPLOAD_SCAN_COMMAND": "clamscan 'not closed",
        "LOG_LEVEL": "loud",
    }
    result = run("serve", folder=tmp_path, **wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["Error", name] for name in wrong
    ]
    assert "hunter2" not in result.stderr


def test_a_port_in_use_is_one_line_before_anything_is_done(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run_alone("serve", "--port", port, folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"Error: cannot listen on 127.0.0.1 port {port}")
    assert not (tmp_path / "ci_data").exists()


@pytest.mark.parametrize("command", ["serve", "controller"])
def test_a_runner_that_is_not_to_be_had_stops_the_start_with_what_to_do(tmp_path: Path, command: str) -> None:
    settings = {"CI_RUNNER": "container", "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "CI_PORT": "0"}
    result = run_alone(command, folder=tmp_path, **settings)
    assert result.returncode != 0
    assert "DOCKER_HOST" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["serve", "controller"])
def test_a_data_folder_that_cannot_be_used_stops_the_start_and_is_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "data")
    result = run_alone(command, folder=tmp_path, CI_DATA_DIR=folder, CI_RUNNER="process", CI_PORT="0")
    assert result.returncode != 0
    [told] = [line for line in result.stderr.splitlines() if folder in line]
    assert "with CI_DATA_DIR." in told
    assert "DataDirUnusable" not in result.stderr


def test_the_webhook_secret_is_the_one_given_or_one_that_is_kept(tmp_path: Path) -> None:
    made = [run("webhook-secret", folder=tmp_path).stdout for _ in range(2)]
    assert made[0] == made[1]
    assert len(made[0].strip()) >= 32
    assert run("webhook-secret", folder=tmp_path, CI_WEBHOOK_SECRET="mine").stdout == "mine\n"


def test_serve_on_a_fresh_folder_keeps_jobs_over_a_restart(tmp_path: Path) -> None:
    with RunningServer(tmp_path, CI_CONTROLLER="false") as server, server.client(server.key()) as client:
        job_id = client.post("/submit-async", files={"file": zipped()}).json()["job_id"]
        server.signal(signal.SIGTERM)
        assert server.exit_code() == 0
        server.start()
        assert client.get(f"/jobs/{job_id}").json()["status"] == "queued"


def test_logs_are_json_and_hold_no_secret(tmp_path: Path) -> None:
    with RunningServer(tmp_path, CI_CONTROLLER="false", LOG_LEVEL="DEBUG") as server:
        key = server.key()
        with server.client(key) as client:
            secrets = {"secrets": "TOKEN=hunter2hunter2"}
            submitted = client.post("/submit-async", files={"file": zipped()}, data=secrets)
            refused = client.post("/submit-async", files={"file": zipped()}, data={"secrets": "hunter2=1 "})
            good = key["X-API-Key"]
            other = "1" if good.endswith("0") else "0"
            wrong = client.get("/jobs", headers={"X-API-Key": good[:-1] + other})
            statuses = [answer.status_code for answer in (submitted, refused, wrong)]
    events = [json.loads(line) for line in server.log.splitlines()]
    requests = [event for event in events if event["event"] == "request" and event["path"] != "/readyz"]
    assert [request["status"] for request in requests] == statuses == [200, 200, 401]
    assert "hunter2" not in server.log
    assert key["X-API-Key"].split("_")[2] not in server.log


def test_a_controller_alone_stops_at_once_when_it_is_told_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "controller"], cwd=tmp_path, stderr=output, env=environment({"CI_RUNNER": "process"})
        )
    try:
        until(lambda: "controller_started" in log.read_text() or process.poll() is not None)
        process.terminate()
        assert process.wait(10) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def test_readyz_says_what_is_missing(tmp_path: Path, create_database: Callable[..., str]) -> None:
    with RunningServer(tmp_path, CI_CONTROLLER="false") as server:
        (tmp_path / "ci_data" / "uploads").rmdir()
        answer = httpx.get(f"{server.url}/readyz", trust_env=False)
        assert answer.status_code == 503
        assert "CI_DATA_DIR" in answer.json()["detail"]
        assert httpx.get(f"{server.url}/livez", trust_env=False).status_code == 200
