"""The command line, run as users do."""

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from factories import body, make_key
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


def test_serve_explains_itself() -> None:
    told = run("serve", "--help")
    assert told.returncode == 0
    for words in ("--host", "--port", "--workers", "--data-dir", "SIGTERM"):
        assert words in told.stdout


def test_keys_are_not_looked_for_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "mistyped"
    result = run("api-keys", "list", "--data-dir", str(folder))
    assert (result.returncode, f"there is nothing in {folder}" in result.stderr) == (1, True)
    assert not folder.exists()


def test_a_key_lives_from_create_over_rotate_to_revoke_wherever_the_address_stands(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "database-url").write_text(f"{database_url}\n")
    kept = ("--data-dir", str(tmp_path))
    asked = ("--name", "plugin", "--scope", "read", "--query-limit", "600/min")
    created = run("api-keys", "create", *asked, DATABASE_URL=database_url)
    assert KEY.fullmatch(created.stdout), created
    first = created.stdout.split("_")[1]
    assert first in created.stderr
    assert created.stdout.strip() not in created.stderr
    rotated = run("api-keys", "rotate", first, *kept)
    assert KEY.fullmatch(rotated.stdout), rotated
    second = rotated.stdout.split("_")[1]
    assert run("api-keys", "revoke", second, DATABASE_URL=database_url).returncode == 0
    listed = json.loads(run("api-keys", "list", "--json", *kept).stdout)
    assert {key["key_id"] for key in listed} == {first, second}
    for key in listed:
        assert (key["name"], key["limits"]) == ("plugin", {"query": "600/min"})
        assert key["revoked_at"]
    assert "nosuchkey" in _complaint(run("api-keys", "revoke", "nosuchkey", *kept))


def test_migrate_may_run_twice_and_makes_what_keys_need(
    create_database: Callable[[], str], drop_database: Callable[[str], None]
) -> None:
    url = create_database()
    assert "migrate" in _complaint(run("api-keys", "list", DATABASE_URL=url))
    for _ in range(2):
        result = run("migrate", DATABASE_URL=url)
        assert (result.returncode, result.stdout) == (0, "")
        assert result.stderr == "The database is up to date.\n"
    drop_database(url)


def test_wrong_settings_stop_the_start_with_one_line_each_that_names_them(tmp_path: Path) -> None:
    wrong = {
        "DATABASE_URL": "nonsense-hunter2",
        "API_PORT": "99999",
        "API_WORKERS": "0",
        "RATE_LIMIT_INGESTION": "0/min",
        "RATE_LIMIT_QUERY": "lots",
        "LOG_LEVEL": "loud",
    }
    result = run("serve", "--data-dir", str(tmp_path), **wrong)
    assert (result.returncode, result.stdout) == (2, "")
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["Error", name] for name in wrong
    ]
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "mysql://root:hunter2@127.0.0.1/graph"), ("REDIS_URL", "nonsense-hunter2")],
)
def test_an_address_of_another_kind_stops_the_start_with_one_line(
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


@pytest.mark.parametrize(
    ("workers", "number", "code"), [("1", signal.SIGTERM, 0), ("2", signal.SIGKILL, -signal.SIGKILL)]
)
def test_without_a_database_serve_starts_one_and_takes_it_along_when_it_ends(
    tmp_path: Path, workers: str, number: signal.Signals, code: int
) -> None:
    with RunningService(tmp_path, ["--data-dir", str(tmp_path / "fleet")], API_WORKERS=workers) as alone:
        assert httpx.get(f"{alone.url}{API}/services", trust_env=False, timeout=60).status_code == 401
        assert "postgres" in {process.name() for process in alone.look()}
        alone.signal(number)
        assert alone.exit_code() == code
        until(lambda: not alive(alone.seen))


def test_logs_are_json_and_hold_no_secret(
    database_url: str, drop_database: Callable[[str], None], tmp_path: Path
) -> None:
    key = asyncio.run(make_key(database_url, "admin"))
    password = urlsplit(database_url).password
    assert password
    with (
        RunningService(tmp_path, DATABASE_URL=database_url, LOG_LEVEL="DEBUG", API_WORKERS="1") as service,
        httpx.Client(base_url=service.url, headers={"X-API-Key": key}, trust_env=False, timeout=60) as client,
    ):
        other = "1" if key.endswith("0") else "0"
        wrong = {"Authorization": f"Bearer {key[:-1]}{other}"}
        statuses = [
            client.post(INGEST, json=body("ab")).status_code,
            client.get(f"{API}/services", params={"q": "token=hunter2"}).status_code,
            client.get(f"{API}/services", params={"limit": "hunter2"}).status_code,
            client.get(f"{API}/services/{key}").status_code,
            client.get(f"{API}/services", headers=wrong).status_code,
        ]
        drop_database(database_url)
        statuses.append(client.get(f"{API}/services").status_code)
    assert statuses == [202, 200, 422, 404, 401, 503]
    events = [json.loads(line) for line in service.log.splitlines()]
    requests = [event for event in events if event["event"] == "request" and event["path"] != "/readyz"]
    assert [request["status"] for request in requests] == statuses
    for secret in (password, key.split("_")[2], "hunter2"):
        assert secret not in service.log
