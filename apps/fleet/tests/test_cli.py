from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleet.cli import main
from fleet.settings import Settings


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in (
        "DATABASE_URL",
        "REDIS_URL",
        "API_HOST",
        "API_WORKERS",
        "RATE_LIMIT_QUERY",
        "RATE_LIMIT_INGESTION",
        "METADATA_FOLDER",
    ):
        monkeypatch.delenv(name, raising=False)


def test_the_version_is_shown() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"fleet {version('fleet')}\n"


def test_help_names_the_port_of_every_service_with_its_default() -> None:
    shown = CliRunner().invoke(main, ["up", "--help"]).output
    for option, port in (("--graph-port", 8000), ("--metadata-port", 8001), ("--sql-port", 8003)):
        line = next(line for line in shown.splitlines() if option in line)
        assert f"[default: {port}]" in line


@pytest.mark.parametrize("names", ["nobody", "graph,nobody", "", "graph,"])
def test_a_service_that_does_not_exist_is_refused(names: str) -> None:
    result = CliRunner().invoke(main, ["up", "--only", names])
    assert result.exit_code == 2
    assert "choose from graph,ci,metadata,sql" in result.output


def test_a_sample_with_no_service_to_load_it_into_is_refused() -> None:
    result = CliRunner().invoke(main, ["up", "--sample", "--only", "metadata"])
    assert result.exit_code == 2
    assert "Invalid value for --sample" in result.output
    assert "the graph service, which --only leaves out" in result.output
    assert not Path(".fleet").exists()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("API_WORKERS", "0", "Error: API_WORKERS: Input should be greater than or equal to 1\n"),
        (
            "DATABASE_URL",
            "mysql://me:secret@db",
            "Error: DATABASE_URL: not the URL of a PostgreSQL database\n",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, ["up"])
    assert (result.exit_code, result.output) == (2, line)
    assert not Path(".fleet").exists()


def test_services_get_what_the_environment_says_and_defaults_for_a_laptop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RATE_LIMIT_QUERY", "7/sec")
    monkeypatch.setenv("REDIS_URL", "")
    assert Settings().environment() == {
        "API_HOST": "127.0.0.1",
        "API_WORKERS": "1",
        "METADATA_FOLDER": str(tmp_path),
        "RATE_LIMIT_INGESTION": "600/min",
        "RATE_LIMIT_QUERY": "7/sec",
    }


def test_a_folder_that_the_environment_names_is_told_of_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METADATA_FOLDER", "elsewhere")
    assert Settings().environment()["METADATA_FOLDER"] == "elsewhere"
