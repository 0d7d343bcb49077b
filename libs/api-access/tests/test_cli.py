import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from api_access.cli import api_keys_app
from api_access.keys import parse


@pytest.fixture
def app(database_url: str) -> Typer:
    return app_on(database_url)


def app_on(url: str, **options: Any) -> Typer:
    @contextmanager
    def opened(data_dir: Path) -> Generator[str]:
        yield url if data_dir == Path(".fleet") else f"postgresql://nobody@{data_dir}/nothing"

    return api_keys_app(opened, **options)


def run(app: Typer, *arguments: str, exit_code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == exit_code, result.output
    return result.stdout, result.stderr


def listed(app: Typer) -> list[dict[str, Any]]:
    return json.loads(run(app, "list", "--json")[0])


def test_the_new_key_is_alone_on_standard_output(app: Typer) -> None:
    output, _ = run(app, "create", "--name", "ci")
    key_id, _ = parse(output.removesuffix("\n"))
    [key] = listed(app)
    assert (key["key_id"], key["name"], key["scopes"], key["limits"]) == (key_id, "ci", ["read"], {})


def test_scopes_limits_and_expiry_are_kept(app: Typer) -> None:
    scopes = ["--scope", "read", "--scope", "write"]
    limits = ["--query-limit", "600/min", "--ingest-limit", "5/hour"]
    run(app, "create", "--name", "plugin", *scopes, *limits, "--expires", "90d")
    [key] = listed(app)
    assert (key["scopes"], key["limits"]) == (["read", "write"], {"query": "600/min", "ingestion": "5/hour"})
    assert "until" in run(app, "list")[0]
    left = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)


def test_each_service_names_its_own_limits(database_url: str) -> None:
    app = app_on(database_url, limit_options={"submit": "--submit-limit", "read": "--read-limit"})
    run(app, "create", "--name", "ci", "--submit-limit", "60/min", "--read-limit", "1200/min")
    assert listed(app)[0]["limits"] == {"submit": "60/min", "read": "1200/min"}
    run(app, "create", "--name", "ci", "--query-limit", "60/min", exit_code=2)


def test_the_table_shows_every_key_whole_and_no_secret(app: Typer) -> None:
    token = run(app, "create", "--name", "backstage", "--query-limit", "600/min")[0].strip()
    key_id, secret = parse(token)
    table, _ = run(app, "list")
    assert key_id in table
    assert secret not in table
    assert secret not in str(listed(app))
    assert "$2b$" not in table + str(listed(app))


def test_a_name_is_shown_as_it_is(app: Typer) -> None:
    run(app, "create", "--name", "[red]x[/] :cat:")
    assert "[red]x[/]" in run(app, "list")[0]


def test_a_revoked_key_is_shown_as_ended(app: Typer) -> None:
    key_id, _ = parse(run(app, "create", "--name", "x")[0].strip())
    output, note = run(app, "revoke", key_id)
    assert output == ""
    assert key_id in note
    assert listed(app)[0]["revoked_at"] is not None
    assert "ended" in run(app, "list")[0]


@pytest.mark.parametrize("grace", [[], ["--grace", "1h"]])
def test_rotation_prints_the_new_key_alone(app: Typer, grace: list[str]) -> None:
    key_id, _ = parse(run(app, "create", "--name", "x")[0].strip())
    new_id, _ = parse(run(app, "rotate", key_id, *grace)[0].removesuffix("\n"))
    old, new = listed(app)
    assert (old["key_id"], new["key_id"]) == (key_id, new_id)
    later = datetime.fromisoformat(old["revoked_at"]) - datetime.fromisoformat(new["created_at"])
    assert later == (timedelta(hours=1) if grace else timedelta(0))


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_an_unknown_key_is_one_clear_line(app: Typer, command: str) -> None:
    assert run(app, command, "nobody", exit_code=1) == ("", "Error: there is no active API key 'nobody'\n")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--query-limit", "600/fortnight"], "600/min"),
        (["--expires", "soon"], "90d"),
        (["--scope", "root"], "admin"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_would_be_right(
    app: Typer, wrong: list[str], said: str
) -> None:
    _, error = run(app, "create", "--name", "x", *wrong, exit_code=2)
    assert said in error
    assert listed(app) == []


@pytest.mark.parametrize("wrong", [["--name", ""], ["--name", "x", "--expires", "0d"]])
def test_wrong_values_exit_with_1_and_one_line(app: Typer, wrong: list[str]) -> None:
    assert re.fullmatch(r"Error: a key's .+\n", run(app, "create", *wrong, exit_code=1)[1])


def test_a_database_without_the_table_says_to_migrate(
    create_database: Callable[..., str], drop_database: Callable[[str], None]
) -> None:
    url = create_database()
    assert "run `migrate` first" in run(app_on(url), "list", exit_code=1)[1]
    drop_database(url)


@pytest.mark.parametrize("url", ["postgresql://u:canary@127.0.0.1:1/none", "mysql://u:canary@h/d", "canary"])
def test_a_wrong_address_is_one_line_without_the_password(url: str) -> None:
    _, error = run(app_on(url), "create", "--name", "x", exit_code=1)
    assert error.count("\n") == 1
    assert "canary" not in error


def test_the_data_folder_says_where_the_database_is(app: Typer) -> None:
    run(app, "list", "--data-dir", ".fleet")
    run(app, "list", "--data-dir", "127.0.0.1:1", exit_code=1)
