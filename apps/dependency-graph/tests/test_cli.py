"""The command line, run as users do."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from factories import body
from running_service import API, INGEST, RunningService, alive, run, until

KEY = re.compile(r"fleet_[0-9a-z]{12}_[0-9A-Za-z]{38}\n")


def _complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that failed as it should."""
    assert result.returncode in (1, 2), result
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


def test_help_names_every_command() -> None:
    told = run("--help")
    assert told.returncode == 0
    for command in ("serve", "migrate", "api-keys"):
        assert command in told.stdout


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("serve", ("--host", "--port", "--workers", "--data-dir", "SIGTERM")),
        ("migrate", ("--data-dir", "Safe to run twice")),
        ("api-keys", ("create", "list", "revoke", "rotate")),
    ],
)
def test_each_command_explains_itself(command: str, words: tuple[str, ...]) -> None:
    told = run(command, "--help")
    assert told.returncode == 0
    for word in words:
        assert word in told.stdout


@pytest.fixture
def settings(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> dict[str, str]:
    """How a command is told of the database: its environment."""
    if request.param == "DATABASE_URL":
        return {"DATABASE_URL": database_url}
    (tmp_path / "database-url").write_text(f"{database_url}\n")
    return {}


@pytest.mark.parametrize("settings", ["DATABASE_URL", "data-dir"], indirect=True)
def test_a_key_lives_from_create_over_rotate_to_revoke(settings: dict[str, str], tmp_path: Path) -> None:
    def keys(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run("api-keys", *arguments, "--data-dir", str(tmp_path), **settings)

    def listed() -> dict[str, dict[str, object]]:
        return {key["key_id"]: key for key in json.loads(keys("list", "--json").stdout)}

    created = keys("create", "--name", "plugin", "--scope", "read", "--query-limit", "600/min")
    assert KEY.fullmatch(created.stdout), created
    first = created.stdout.split("_")[1]
    assert first in created.stderr
    assert created.stdout.strip() not in created.stderr
    rotated = keys("rotate", first)
    assert KEY.fullmatch(rotated.stdout), rotated
    second = rotated.stdout.split("_")[1]
    assert keys("revoke", second).returncode == 0
    both = listed()
    assert both.keys() == {first, second}
    assert {key["name"] for key in both.values()} == {"plugin"}
    assert both[second]["limits"] == {"query": "600/min"}
    assert all(key["revoked_at"] for key in both.values())
    assert "fleet_" not in keys("list").stdout
    assert "nosuchkey" in _complaint(keys("revoke", "nosuchkey"))


def test_migrate_may_run_twice_and_makes_what_keys_need(
    create_database: Callable[[], str], drop_database: Callable[[str], None]
) -> None:
    url = create_database()
    assert "migrate" in _complaint(run("api-keys", "list", DATABASE_URL=url))
    for _ in range(2):
        result = run("migrate", DATABASE_URL=url)
        assert (result.returncode, result.stdout) == (0, "")
        assert result.stderr == "The database is up to date.\n"
    assert run("api-keys", "list", DATABASE_URL=url).returncode == 0
    drop_database(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_QUERY", "lots"),
        ("RATE_LIMIT_INGESTION", "0/min"),
        ("API_PORT", "99999"),
        ("API_WORKERS", "0"),
        ("DATABASE_URL", "nonsense-hunter2"),
        ("DATABASE_URL", "mysql://root:hunter2@127.0.0.1/graph"),
        ("REDIS_URL", "nonsense-hunter2"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(
    name: str, value: str, tmp_path: Path
) -> None:
    line = _complaint(run("serve", "--data-dir", str(tmp_path), **{name: value}))
    assert name in line
    assert "hunter2" not in line


@pytest.mark.parametrize("command", [("migrate",), ("api-keys", "list")])
def test_a_database_that_is_away_is_one_line_without_its_password(command: tuple[str, ...]) -> None:
    line = _complaint(run(*command, DATABASE_URL="postgresql://fleet:hunter2@127.0.0.1:1/graph"))
    assert "database" in line
    assert "hunter2" not in line


@pytest.fixture
def alone(tmp_path: Path) -> Generator[RunningService]:
    """The service with no database given; empty settings count as none."""
    service = RunningService(tmp_path, ["--data-dir", str(tmp_path / "fleet")], DATABASE_URL="", REDIS_URL="")
    yield service
    service.end()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_without_a_database_serve_starts_one_and_takes_it_along_when_it_ends(
    alone: RunningService, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    created = run("api-keys", "create", "--name", "x", "--data-dir", str(tmp_path / "elsewhere"))
    assert "migrate" in _complaint(created)
    assert httpx.get(f"{alone.url}{API}/services", trust_env=False).status_code == 401
    assert "postgres" in {process.name() for process in alone.look()}
    alone.signal(number)
    assert alone.exit_code() == code
    until(lambda: not alive(alone.seen), seconds=10)


def test_logs_are_json_and_hold_no_secret(database_url: str, tmp_path: Path) -> None:
    key = run("api-keys", "create", "--name", "x", "--scope", "admin", DATABASE_URL=database_url).stdout
    password = urlsplit(database_url).password
    assert password
    service = RunningService(tmp_path, DATABASE_URL=database_url, LOG_LEVEL="DEBUG", API_WORKERS="1")
    with httpx.Client(base_url=service.url, headers={"X-API-Key": key.strip()}, trust_env=False) as client:
        assert client.post(INGEST, json=body("ab")).status_code == 202
        assert client.get(f"{API}/services", params={"token": "hunter2"}).status_code == 200
        assert client.get(f"{API}/services/{key.strip()}").status_code == 404
        wrong = {"Authorization": f"Bearer {key.strip()[:-1]}0"}
        assert client.get(f"{API}/services", headers=wrong).status_code == 401
        assert client.get(f"{API}/services", params={"limit": "hunter2"}).status_code == 422
    service.signal(signal.SIGTERM)
    assert service.exit_code() == 0
    events = [json.loads(line) for line in service.log.splitlines()]
    assert [e["status"] for e in events if e["event"] == "request" and e["path"] != "/readyz"] == [
        202,
        200,
        404,
        401,
        422,
    ]
    for secret in (password, key.strip().split("_")[2], "hunter2"):
        assert secret not in service.log
