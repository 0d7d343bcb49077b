"""Settings as an operator gives them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_settings import HttpUrl, Listed, Token, read_settings

README = Path(__file__).parent.parent / "README.md"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True, hide_input_in_errors=True)

    peer_url: HttpUrl = "http://127.0.0.1:8080"
    peer_token: Token | None = None
    allowed_hosts: Listed = []


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_URL", "https://peer/api/")
    assert read_settings(Settings).peer_url == "https://peer/api"
    assert read_settings(Settings, peer_url="http://other").peer_url == "http://other"
    assert read_settings(Settings, peer_url=None).peer_url == "https://peer/api"


@pytest.mark.parametrize(
    "url", ["peer", "ftp://peer", "http://", "http://peer:0", "http://peer:x", "//peer", "http://["]
)
def test_what_is_no_server_is_told_by_name(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEER_URL", url)
    with pytest.raises(typer.Exit) as ended:
        read_settings(Settings)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "Error: PEER_URL: not the URL of a server, such as https://host\n"


def test_all_that_is_wrong_is_told_at_once_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEER_URL", "https://user:Canary@")
    monkeypatch.setenv("PEER_TOKEN", "Canary\x7f")
    with pytest.raises(typer.Exit):
        read_settings(Settings)
    told = capsys.readouterr().err
    assert [line.split(":")[1].strip() for line in told.splitlines()] == ["PEER_URL", "PEER_TOKEN"]
    assert "Canary" not in told


def test_a_token_from_a_file_has_a_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_TOKEN", " abc \n")
    assert read_settings(Settings).peer_token == SecretStr("abc")


@pytest.mark.parametrize(
    ("text", "items"), [("", []), (",", []), ("a", ["a"]), (" a, b ,,c", ["a", "b", "c"])]
)
def test_lists_have_commas_between(text: str, items: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", text)
    assert read_settings(Settings).allowed_hosts == items


def test_the_example_of_the_readme_runs_and_says_what_it_says(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    file = tmp_path / "example.py"
    file.write_text(example)
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=True)
    assert done.stdout == "http://127.0.0.1:8080 []\n"
    wrong = subprocess.run(
        [sys.executable, file], capture_output=True, text=True, env={"PEER_URL": "peer"}, check=False
    )
    assert (wrong.returncode, wrong.stderr.strip()) == (
        2,
        "Error: PEER_URL: not the URL of a server, such as https://host",
    )
    assert wrong.stderr.strip() in README.read_text()
