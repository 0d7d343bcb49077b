"""The command line in processes of its own: in a real repository, on a terminal, and until it is stopped."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from command_line import WITHIN_SECONDS, going_on, on_a_terminal, run, shown, until
from git_repositories import MadeRepository, isolate
from running_metadata import COMMAND, RunningMetadata, environment
from shown_collectors import tell
from small_server import Told, small_server

SIZE = (80, 40)
TOKEN = "correct-horse-battery-staple"
# What a server needs and a look at a workspace does not; and what takes long to load.
HEAVY = {"fastapi", "fastmcp", "mcp", "starlette.applications", "uvicorn"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeRepository:
    isolate(monkeypatch, tmp_path)
    made = MadeRepository(tmp_path / "work")
    made.commit("First\n\nand last", readme="hello\n")
    return made


def test_get_in_a_repository_loads_nothing_that_it_does_not_need(repository: MadeRepository) -> None:
    result = run("get", "git_commit_message", "--folder", str(repository.folder), PYTHONPROFILEIMPORTTIME="1")
    assert (result.returncode, result.stdout) == (0, "First and last\n")
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "fleet_metadata.collectors.git.git_collector" in loaded
    assert loaded.isdisjoint(HEAVY | {"httpx", "psutil"})


def test_show_in_a_repository_has_all_collectors(repository: MadeRepository, tmp_path: Path) -> None:
    result = run("show", METADATA_FOLDER=str(repository.folder), FLEET_TASK_FILE=str(tmp_path / "none"))
    assert (result.returncode, result.stderr) == (0, "")
    words = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line}
    assert (words["git_branch"], words["git_status"]) == (["main"], ["clean"])
    assert words["workspace_task_status"] == ["idle"]
    for name, state in (("git", "ok"), ("github", "not_applicable"), ("workspace", "ok")):
        assert f"collector {name}: {state}" in result.stdout


def test_a_client_needs_nothing_of_the_server() -> None:
    code = "import fleet_metadata.client, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "httpx" in loaded
    assert loaded.isdisjoint(HEAVY | {"pydantic", "pydantic_settings", "structlog", "typer", "psutil"})


def test_the_command_line_asks_a_real_server(repository: MadeRepository, tmp_path: Path) -> None:
    with RunningMetadata(repository.folder, tmp_path / "log", FLEET_METADATA_TOKEN=TOKEN) as server:
        at = ("--url", server.url)
        known = run("get", "git_branch", *at, FLEET_METADATA_TOKEN=TOKEN)
        apart = run("get", "github_pr_number", *at, FLEET_METADATA_TOKEN=TOKEN)
        unknown = run("get", "git_nothing", *at, FLEET_METADATA_TOKEN=TOKEN)
        document = run("show", "--json", "--prefix", "git_", *at, FLEET_METADATA_TOKEN=TOKEN)
        refused = run("show", *at, FLEET_METADATA_TOKEN="another")
    assert (known.returncode, known.stdout) == (0, "main\n")
    assert (apart.returncode, unknown.returncode, refused.returncode) == (3, 3, 1)
    assert "does not apply here" in apart.stderr
    assert "There is no key git_nothing. There are: git_branch," in unknown.stderr
    assert json.loads(document.stdout)["data"]["git_status"]["value"] == "clean"
    assert "does not accept the token" in refused.stderr


def test_a_fault_in_a_collector_is_told_whole_on_standard_error_without_secrets(tmp_path: Path) -> None:
    told = shown(tmp_path, shown="ShownCollector", broken="BrokenCollector")
    tell(tmp_path, fault="password=hunter2")
    for key, event in (("shown_text", "collector broke"), ("broken_thing", "collector cannot be used")):
        result = run("get", key, **told)
        assert (result.returncode, result.stdout) == (1, "")
        *log, error = result.stderr.splitlines()
        lines = [json.loads(line) for line in log]
        assert event in {line["event"] for line in lines}
        assert "Traceback" in lines[0]["exception"]
        assert "RuntimeError" in error
        assert "hunter2" not in result.stderr


def test_what_a_collector_logs_in_its_own_way_is_not_in_the_value(tmp_path: Path) -> None:
    told = shown(tmp_path, other="LoggingCollector")
    tell(tmp_path, "other", other_text="here")
    quiet = run("get", "other_text", **told)
    assert (quiet.returncode, quiet.stdout) == (0, "here\n")
    assert [json.loads(line)["event"] for line in quiet.stderr.splitlines()] == ["to be told"]
    talking = run("get", "other_text", LOG_LEVEL="DEBUG", **told)
    assert talking.stdout == "here\n"
    assert "of no matter" in talking.stderr


def test_serve_says_in_one_line_which_collector_there_is_not() -> None:
    result = run("serve", METADATA_DISABLED_COLLECTORS="gti")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: METADATA_DISABLED_COLLECTORS: there is no collector 'gti'")
    assert result.stderr.count("\n") == 1


def test_get_watches_and_prints_each_change_until_it_is_stopped(tmp_path: Path) -> None:
    tell(tmp_path, shown_text="one")
    with going_on("get", "shown_text", "--watch", "--interval", "0.1", **shown(tmp_path)) as command:
        command.wait_for("one\n")
        tell(tmp_path, shown_text="two")
        command.wait_for("two\n")
        tell(tmp_path, **{"not here": "gone for now"})
        command.wait_for("gone for now")
        tell(tmp_path, shown_text="two", shown_number=3)
        # A look that is over before the next change is there to be seen in what follows.
        tell(tmp_path, shown_text="three")
        command.wait_for("three\n")
        assert command.stop(signal.SIGINT) == 130
    assert command.output.splitlines() == [
        "one",
        "two",
        "Error: shown_text does not apply here: gone for now. There are: none.",
        "three",
    ]


def test_get_that_watches_ends_at_once_where_there_is_nothing_to_watch(tmp_path: Path) -> None:
    result = run("get", "nothing", "--watch", **shown(tmp_path))
    assert (result.returncode, result.stdout) == (3, "")


def test_show_watches_in_lines_that_programs_read(tmp_path: Path) -> None:
    tell(tmp_path, shown_text="one")
    with going_on("show", "--json", "--watch", "--interval", "0.1", **shown(tmp_path)) as command:
        command.wait_for('"one"')
        tell(tmp_path, shown_text="two")
        command.wait_for('"two"')
        assert command.stop(signal.SIGTERM) == 143
    values = [json.loads(line)["data"]["shown_text"]["value"] for line in command.output.splitlines()]
    assert (values[0], values[-1], set(values)) == ("one", "two", {"one", "two"})


def test_show_that_watches_a_server_waits_for_it_to_come_back(tmp_path: Path) -> None:
    answers = [Told(b'{"data": {"a": {"value": "here"}}}'), Told(b"", 503)]
    with small_server(lambda _: answers[len(server.asked) % 2]) as server:
        options = ("--watch", "--interval", "0.1", "--url", server.url)
        with going_on("show", *options, **shown(tmp_path)) as command:
            command.wait_for("answered with status 503.\na  here\n")
            assert command.stop(signal.SIGINT) == 130
    assert "Traceback" not in command.output


@pytest.mark.parametrize(
    "command", [["show"], ["show", "--watch", "--interval", "0.1"], ["get", "shown_text", "--watch"]]
)
def test_a_reader_that_has_enough_is_no_fault(tmp_path: Path, command: list[str]) -> None:
    tell(tmp_path, shown_text="x" * 3000, shown_list=["y" * 3000])
    source, sink = os.pipe()
    os.close(source)
    done = subprocess.run(
        [*COMMAND, *command],
        env=environment(shown(tmp_path)),
        stdout=sink,
        stderr=subprocess.PIPE,
        timeout=WITHIN_SECONDS,
        check=False,
    )
    os.close(sink)
    assert (done.returncode, done.stderr) == (1, b"")


def test_git_is_not_left_behind_by_a_command_that_is_stopped(
    repository: MadeRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a git that hangs, and a child of it."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "git").write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/started\nsleep 1000\n")
    (binaries / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
    with going_on("get", "git_status", METADATA_FOLDER=str(repository.folder)) as command:
        until((tmp_path / "started").exists)
        assert command.stop(signal.SIGTERM) == 143
    left = [int(line) for line in (tmp_path / "started").read_text().split()]
    assert left
    assert not [number for number in left if psutil.pid_exists(number)]


def test_what_the_terminal_is_said_to_take_is_no_reason_to_fail(tmp_path: Path) -> None:
    tell(tmp_path, shown_text="zażółć")
    settings = shown(tmp_path) | {"PYTHONIOENCODING": "ascii"}
    plain, document, value = (
        run(*command, **settings) for command in (("show",), ("show", "--json"), ("get", "shown_text"))
    )
    assert "zażółć\n" in plain.stdout
    assert json.loads(document.stdout)["data"]["shown_text"]["value"] == "zażółć"
    assert value.stdout == "zażółć\n"
    with on_a_terminal(SIZE, "show", **settings) as command:
        assert command.wait() == 0
    assert "za????" in command.output


def screens(output: str) -> str:
    """What is to be seen, without colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output).replace("\r\n", "\n")


def test_on_a_terminal_values_are_cut_to_its_width(tmp_path: Path) -> None:
    tell(tmp_path, shown_text="[bold]" + "x" * 300, shown_number=3)
    settings = shown(tmp_path)
    for columns in (60, 200):
        with on_a_terminal((columns, 40), "show", "--prefix", "shown_t", **settings) as command:
            assert command.wait() == 0
        lines = screens(command.output).splitlines()
        assert max(map(len, lines)) <= columns
        [row] = [line for line in lines if "shown_text" in line]
        assert re.search(r"shown_text +\[bold\]x+… *$", row), row


def test_on_a_terminal_there_are_colours_unless_they_are_not_wanted(tmp_path: Path) -> None:
    tell(tmp_path, failed="this is [red]wrong[/red]")
    settings = shown(tmp_path)
    for told, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with on_a_terminal((100, 40), "show", **settings, **told) as command:
            assert command.wait() == 0
        assert ("\x1b[31mfailed" in command.output) is coloured
        assert "this is [red]wrong[/red]" in screens(command.output)


def test_on_a_terminal_json_is_for_people(tmp_path: Path) -> None:
    tell(tmp_path, shown_text="one")
    with on_a_terminal(SIZE, "show", "--json", "--prefix", "shown_t", **shown(tmp_path)) as command:
        assert command.wait() == 0
    assert '\n  "data": {\n    "shown_text": {\n' in screens(command.output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_show_watches_in_place_and_leaves_the_cursor_as_it_was(
    tmp_path: Path, number: signal.Signals
) -> None:
    tell(tmp_path, shown_text="one")
    options = ("--watch", "--interval", "0.1", "--prefix", "shown_t")
    with on_a_terminal(SIZE, "show", *options, **shown(tmp_path)) as command:
        command.wait_for("one")
        tell(tmp_path, shown_text="two")
        command.wait_for("two")
        assert command.stop(number) == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    hidden, shown_again = "\x1b[?25l", "\x1b[?25h"
    assert command.output.count(hidden) == command.output.count(shown_again) == 1
    assert command.output.index(hidden) < command.output.index(shown_again)
    # The cursor goes up, over what was shown before.
    assert re.search(r"\x1b\[\d*A", command.output)
    assert "Traceback" not in command.output


def test_a_terminal_that_is_small_shows_what_fits(tmp_path: Path) -> None:
    tell(tmp_path, shown_text="one")
    with on_a_terminal((20, 5), "show", "--watch", **shown(tmp_path)) as command:
        command.wait_for("...")
        assert command.stop(signal.SIGINT) == 130
    assert max(map(len, screens(command.output).splitlines())) <= 20
