"""`show`, `get` and `serve` of the command line, on collectors of another package and on servers."""

import json
import logging
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import structlog
from shown_collectors import REAL, TOO_LONG_NAME, installed, tell
from small_server import Asked, SmallServer, Told, small_server
from typer.testing import CliRunner, Result

from fleet_metadata.cli import main
from fleet_metadata.settings import Settings

TOKEN = "correct-horse-battery-staple"
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which `shown.json` says what there is to tell."""
    installed(tmp_path / "site", shown="ShownCollector")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("METADATA_FOLDER", str(tmp_path))
    monkeypatch.setenv("METADATA_DISABLED_COLLECTORS", ",".join(REAL))
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environment)

    return run


def complaint(result: Result, code: int) -> str:
    """The one line of a command that failed as it should."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def told_by_server(document: Any) -> Callable[[Asked], Told]:
    return lambda _: Told(json.dumps(document).encode())


@pytest.fixture
def server() -> Generator[SmallServer]:
    """Tells one key, has another that is not known now, a third that does not apply, and a disabled collector."""
    states = {
        "git": {"name": "git", "status": "stale", "error": "index.lock is there\nfor long"},
        "github": {"name": "github", "status": "failed", "error": "rate limited"},
        "gitlab": {"name": "gitlab", "status": "not_applicable", "error": "no remote"},
        "ci": {"name": "ci", "status": "disabled"},
    }
    data = {"git_branch": {"value": "main\x1b[31m\u009b red", "schema": {}}, "git_ahead": {"value": None}}

    def answer(asked: Asked) -> Told:
        key = asked.path.partition("keys=")[2]
        wanted = {name: entry for name, entry in data.items() if name == key or not key}
        shown = [state for name, state in states.items() if key.startswith(f"{name}_") or not key]
        return Told(json.dumps({"data": wanted, "meta": {"collectors": shown}}).encode())

    with small_server(answer) as small:
        yield small


def test_help_names_every_command(run: Run) -> None:
    told = run("--help")
    assert told.exit_code == 0
    for command in ("serve", "show", "get", "coder-template"):
        assert command in told.stdout
    assert run("--version").stdout.startswith("fleet-metadata 0.")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("serve", ["--host", "--port", "--folder", "--stdio"]),
        ("show", ["--prefix", "--list", "--json", "--watch", "--interval", "--folder", "--url"]),
        ("get", ["--watch", "--interval", "--folder", "--url", "Ends with 3"]),
        ("coder-template", ["--all", "--keys", "--url", "--token"]),
    ],
)
def test_each_command_explains_itself(run: Run, command: str, options: list[str]) -> None:
    told = run(command, "--help", COLUMNS="200")
    assert told.exit_code == 0
    for words in options:
        assert words in told.stdout


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"shown_text": "main"}, "main"),
        ({"shown_text": " one\ntwo "}, "one two"),
        ({"shown_text": "é" * 2000}, "é" * 1024),
        ({}, ""),
    ],
)
def test_get_prints_the_bare_value_in_one_line(
    run: Run, folder: Path, told: dict[str, Any], line: str
) -> None:
    tell(folder, **told)
    result = run("get", "shown_text")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{line}\n", "")


@pytest.mark.parametrize(("value", "line"), [(3, "3"), (-1.5, "-1.5"), (None, "")])
def test_get_prints_numbers_as_json_has_them(run: Run, folder: Path, value: Any, line: str) -> None:
    tell(folder, shown_number=value)
    assert run("get", "shown_number").stdout == f"{line}\n"


def test_get_prints_lists_as_json(run: Run, folder: Path) -> None:
    tell(folder, shown_list=[1, "zwei", {"drei": None}])
    assert run("get", "shown_list").stdout == '[1,"zwei",{"drei":null}]\n'


def test_get_of_an_unknown_key_names_those_that_there_are(run: Run, folder: Path) -> None:
    tell(folder, shown_text="here")
    for key in ("nothing", "shown_", "git", "Shown_text"):
        line = complaint(run("get", key), 3)
        assert f"There is no key {key}. There are: shown_text, shown_number, shown_list," in line
        assert TOO_LONG_NAME in line


def test_get_of_a_key_that_does_not_apply_says_why(run: Run, folder: Path) -> None:
    tell(folder, **{"not here": "no text\nin this folder"})
    line = complaint(run("get", "shown_text"), 3)
    assert line == "Error: shown_text does not apply here: no text in this folder. There are: none."


def test_get_of_a_disabled_collector_says_so(run: Run, folder: Path) -> None:
    tell(folder, shown_text="here")
    line = complaint(run("get", "git_branch"), 3)
    assert line.startswith("Error: git_branch is not told here: collector git is disabled. There are: shown_")


def test_get_of_a_key_whose_collector_failed_says_why(run: Run, folder: Path) -> None:
    tell(folder, failed=f"no way to {TOKEN}")
    line = complaint(run("get", "shown_text", GITHUB_TOKEN=TOKEN), 1)
    assert line == "Error: shown_text is not known now: no way to ***."


def test_get_of_a_value_that_is_none_of_its_key_says_why(run: Run, folder: Path) -> None:
    tell(folder, shown_number=True)
    line = complaint(run("get", "shown_number"), 1)
    assert "bool is no number" in line


def test_get_of_what_a_collector_that_cannot_be_loaded_would_tell_says_so(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path / "broken site", broken="BrokenCollector")
    monkeypatch.syspath_prepend(str(tmp_path / "broken site"))
    result = run("get", "broken_thing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "broken_thing is not known now" in result.stderr.splitlines()[-1]


def test_a_folder_goes_over_the_one_of_the_environment(run: Run, folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    tell(other, shown_text="there")
    for place in (str(folder), "/no/such/folder"):
        assert run("get", "shown_text", "--folder", str(other), METADATA_FOLDER=place).stdout == "there\n"


@pytest.mark.parametrize("command", [["show"], ["get", "shown_text"], ["coder-template"], ["serve"]])
def test_wrong_settings_are_one_line_each_that_names_them(run: Run, command: list[str]) -> None:
    wrong = {"METADATA_PORT": "70000", "GITHUB_API_URL": "hunter2", "LOG_LEVEL": "loud"}
    result = run(*command, **wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["Error", name] for name in wrong
    ]
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("command", [["show"], ["get", "shown_text"], ["coder-template"]])
def test_a_collector_that_there_is_not_cannot_be_disabled(run: Run, command: list[str]) -> None:
    line = complaint(run(*command, METADATA_DISABLED_COLLECTORS="git,gti"), 2)
    assert line.startswith(
        "Error: METADATA_DISABLED_COLLECTORS: there is no collector 'gti'; there are ci, git,"
    )


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8001",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://me:hunter2@127.0.0.1",
        "http://127.0.0.1/?token=hunter2",
        "http://127.0.0.1/#hunter2",
    ],
)
@pytest.mark.parametrize("command", [["show"], ["get", "git_branch"], ["coder-template"]])
def test_an_address_that_is_none_is_refused(run: Run, command: list[str], url: str) -> None:
    result = run(*command, "--url", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--url" in result.stderr
    assert "hunter2" not in result.stderr


def test_a_folder_and_an_address_are_one_too_many(run: Run, folder: Path) -> None:
    result = run("show", "--folder", str(folder), "--url", "http://127.0.0.1:1")
    assert (result.exit_code, "not both" in result.stderr) == (2, True)


def test_show_prints_values_whole_and_how_each_collector_is(run: Run, folder: Path) -> None:
    tell(folder, shown_text="[bold]x[/bold] :smile: " + "y" * 300, shown_number=3)
    result = run("show")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert lines["shown_text"].endswith(" [bold]x[/bold] :smile: " + "y" * 300)
    assert lines["shown_number"].split() == ["shown_number", "3"]
    assert lines["shown_nothing"].split() == ["shown_nothing", "-"]
    assert "collector shown: ok\n" in result.stdout
    assert "collector git: disabled\n" in result.stdout
    assert "\x1b" not in result.stdout


def test_show_tells_why_a_collector_has_nothing(run: Run, folder: Path) -> None:
    tell(folder, failed="cannot\nbe")
    result = run("show")
    assert (result.exit_code, "collector shown: failed (cannot be)\n" in result.stdout) == (0, True)


def test_show_names_what_was_cut(run: Run, folder: Path) -> None:
    tell(folder, shown_text="x" * 5000)
    assert "Cut or left out for their size: shown_text\n" in run("show").stdout


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--list"], {"shown_text", "shown_number"}),
        (["--prefix", "shown_n", "--list"], {"shown_number"}),
        (["--prefix", "shown_t"], {"shown_text"}),
        (["--prefix", "nothing"], set()),
    ],
)
def test_show_chooses(run: Run, folder: Path, options: list[str], names: set[str]) -> None:
    tell(folder, shown_text="here")
    shown = json.loads(run("show", "--json", *options).stdout)
    assert set(shown["data"]) == names
    plain = run("show", *options).stdout
    assert {line.split()[0] for line in plain.splitlines() if line.startswith("shown_")} == names


def test_show_as_json_is_the_document_in_one_line(run: Run, folder: Path) -> None:
    tell(folder, shown_text="zażółć\nx")
    result = run("show", "--json")
    [line] = result.stdout.splitlines()
    document = json.loads(line)
    assert document["data"]["shown_text"] == {
        "value": "zażółć\nx",
        "schema": {"type": "string", "description": "A text", "includeInList": True, "nullable": True},
    }
    assert document["meta"]["version"] == "1.0"
    assert "zażółć" in line


def test_a_server_is_asked_with_the_token_and_its_answers_are_cleaned(run: Run, server: SmallServer) -> None:
    result = run("get", "git_branch", "--url", f"{server.url}/", FLEET_METADATA_TOKEN=TOKEN)
    assert (result.exit_code, result.stdout) == (0, "main[31m red\n")
    [asked] = server.asked
    assert (asked.path, asked.headers["Authorization"]) == ("/metadata?keys=git_branch", f"Bearer {TOKEN}")
    shown = run("show", "--url", server.url, "--prefix", "git_", "--list")
    assert "main[31m red\n" in shown.stdout
    assert "collector git: stale (index.lock is there for long)\n" in shown.stdout
    assert server.asked[-1].path == "/metadata?prefix=git_&list=true"
    assert json.loads(run("show", "--url", server.url, "--json").stdout)["data"]["git_ahead"]["value"] is None


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        ("git_nothing", 1, "git_nothing is not known now: index.lock is there for long"),
        ("github_pr_number", 1, "github_pr_number is not known now: rate limited"),
        (
            "gitlab_project",
            3,
            "gitlab_project does not apply here: no remote. There are: git_branch, git_ahead",
        ),
        ("ci_job_id", 3, "ci_job_id is not told here: collector ci is disabled"),
        ("nothing", 3, "There is no key nothing. There are: git_branch, git_ahead."),
    ],
)
def test_what_a_server_does_not_tell_ends_as_here(
    run: Run, server: SmallServer, key: str, code: int, words: str
) -> None:
    assert words in complaint(run("get", key, "--url", server.url), code)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(b"", 401), "wants a token"),
        (Told(b"", 404), "no metadata at this address"),
        (Told(b"", 302, {"Location": "/"}), "redirects elsewhere"),
        (Told(b"<html>"), "it is not JSON"),
    ],
)
@pytest.mark.parametrize("command", [["show"], ["show", "--json"], ["get", "a"]])
def test_a_server_that_cannot_be_read_is_one_line(
    run: Run, command: list[str], told: Told, words: str
) -> None:
    with small_server(lambda _: told) as ill:
        line = complaint(run(*command, "--url", ill.url), 1)
    assert words in line


@pytest.mark.parametrize(
    "value", ["[" * 900 + "]" * 900, json.dumps("x" * 70_000), json.dumps(["x"] * 70_000)], ids=len
)
def test_what_is_far_too_much_of_a_server_is_left_out_and_told(run: Run, value: str) -> None:
    body = f'{{"data": {{"a": {{"value": {value}}}, "b_token": {{"value": "x"}}}}, "meta": {{"c": {value}}}}}'
    with small_server(lambda _: Told(body.encode())) as wordy:
        shown = run("show", "--url", wordy.url)
        document = json.loads(run("show", "--json", "--url", wordy.url).stdout)
        line = complaint(run("get", "a", "--url", wordy.url), 1)
    assert shown.stdout == "b_token  x\n\nCut or left out for their size: a\n"
    assert set(document["data"]) == {"b_token"}
    assert line == "Error: a is too large to be told."


def test_all_of_a_large_answer_of_a_server_is_shown(run: Run) -> None:
    data = {f"git_{number}": {"value": "x" * 4000, "schema": {}} for number in range(200)}
    states = [{"name": f"c{number}", "status": "failed", "error": "e" * 500} for number in range(200)]
    with small_server(told_by_server({"data": data, "meta": {"collectors": states}})) as server:
        document = json.loads(run("show", "--json", "--url", server.url).stdout)
    assert document["data"] == data
    assert document["meta"]["collectors"] == states


def test_a_server_that_is_not_there_is_one_line(run: Run) -> None:
    with small_server(lambda _: Told(b"")) as gone:
        pass
    assert "refuses connections" in complaint(run("show", "--url", gone.url), 1)


@pytest.mark.parametrize("interval", ["0", "0.09", "-1", "soon"])
def test_looks_are_not_closer_than_a_tenth_of_a_second(run: Run, interval: str) -> None:
    result = run("show", "--watch", "--interval", interval)
    assert (result.exit_code, "--interval" in result.stderr) == (2, True)
