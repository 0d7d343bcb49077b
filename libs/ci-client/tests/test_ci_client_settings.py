"""Which server is asked, with which key, and who says so."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ci_client import SettingsMissing
from ci_client.cli import main
from ci_client.settings import connection

URL, KEY = "https://ci.example.com", "fleet_a_b"
HERE = "http://127.0.0.1:8002"


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """`config("key = 1")` writes that into `ci.toml`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def write(text: str) -> Path:
        file = tmp_path / "fleet" / "ci.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    return write


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A folder with a `fleet up`; the result is one below."""
    data, below = tmp_path / "project" / ".fleet", tmp_path / "project" / "a" / "b"
    data.mkdir(parents=True)
    below.mkdir(parents=True)
    (data / "endpoints.json").write_text(json.dumps({"ci": HERE, "graph": "http://127.0.0.1:8000"}))
    (data / "api-key").write_text("fleet_local_key\n")
    return below


def test_a_call_goes_before_the_environment_and_that_before_the_file(
    config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = config(f'server_url = "{HERE}/"\napi_key = "fleet_file_key"\n')
    found = connection()
    assert (found.server_url, found.url_source, found.key_source) == (HERE, str(file), str(file))
    monkeypatch.setenv("CI_SERVER_URL", f"{URL}/")
    found = connection()
    assert (found.server_url, found.url_source, found.key_source) == (URL, "the environment", str(file))
    monkeypatch.setenv("CI_API_KEY", KEY)
    assert connection().api_key == KEY
    found = connection("http://other.example.com", "fleet_other_key")
    assert (found.server_url, found.api_key) == ("http://other.example.com", "fleet_other_key")


def test_a_running_fleet_is_found_from_below_with_its_key(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fleet)
    found = connection()
    told_by = f"`fleet up` in {fleet.parents[1]}"
    assert (found.server_url, found.url_source) == (HERE, told_by)
    assert (found.api_key, found.key_source) == ("fleet_local_key", told_by)
    assert CliRunner().invoke(main, ["config"]).stdout.splitlines() == [
        f"server  {HERE}  (from {told_by})",
        f"key     fleet_local_***  (from {told_by})",
    ]


def test_the_key_of_a_running_fleet_goes_to_no_other_server(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_SERVER_URL", URL)
    assert connection(folder=fleet).api_key is None
    monkeypatch.chdir(fleet)
    assert "key     none; set CI_API_KEY" in CliRunner().invoke(main, ["config"]).stdout


@pytest.mark.parametrize(
    "endpoints",
    ['{"ci": "http://elsewhere.example.com"}', "{}", "[]", "{", '{"ci": 1}'],
    ids=["elsewhere", "without", "list", "broken", "number"],
)
def test_what_no_fleet_of_this_machine_says_is_not_taken(fleet: Path, endpoints: str) -> None:
    (fleet.parents[1] / ".fleet" / "endpoints.json").write_text(endpoints)
    with pytest.raises(SettingsMissing):
        connection(folder=fleet)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_fleet_of_somebody_else_is_not_taken(fleet: Path) -> None:
    os.chown(fleet.parents[1] / ".fleet" / "endpoints.json", 12345, -1)
    with pytest.raises(SettingsMissing):
        connection(folder=fleet)


def test_a_missing_server_is_told_with_all_that_may_be_set(
    config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["list"])
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: No CI server is named: set CI_SERVER_URL and CI_API_KEY, or server_url and api_key in "
        f"{tmp_path}/fleet/ci.toml, or start one with `fleet up` in this folder.\n"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("server_url = 'ftp://x'", "server_url: not the URL of a server, such as https://host"),
        ("api-key = 'a'\nserver_url = 'http://x'", "api-key: Extra inputs are not permitted"),
        ("server_url =", "cannot be read: Invalid value (at end of document). Correct it, or remove it."),
        ('api_key = "a\\u00fcb"', "api_key: has characters that no HTTP header takes"),
    ],
    ids=["url", "name", "toml", "key"],
)
def test_a_file_that_is_wrong_is_told_with_what_is(
    config: Callable[[str], Path], text: str, why: str
) -> None:
    file = config(text)
    with pytest.raises(SettingsMissing) as wrong:
        connection()
    assert str(file) in str(wrong.value)
    assert why in str(wrong.value)


def test_a_variable_that_is_wrong_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_SERVER_URL", "ci.example.com")
    monkeypatch.setenv("CI_API_KEY", "secr\u00e9t")
    with pytest.raises(SettingsMissing) as wrong:
        connection()
    assert str(wrong.value) == (
        "CI_SERVER_URL: not the URL of a server, such as https://host; "
        "CI_API_KEY: has characters that no HTTP header takes"
    )
