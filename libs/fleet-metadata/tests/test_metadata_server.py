"""The server as a process of its own, on a real repository, asked over HTTP and MCP."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import psutil
import pytest
import schemathesis
from command_line import until
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError
from git_repositories import MadeRepository, isolate
from hypothesis import HealthCheck, Phase
from mcp import MCPError
from running_metadata import COMMAND, RunningMetadata, environment
from schemathesis import Case, GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.result import Ok
from small_server import Asked, Told, small_server

TOKEN = "correct-horse-battery-staple"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ERAS = {"legacy": "2025-11-25", "auto": "2026-07-28"}
PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Generator[MadeRepository]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("workspace")
        isolate(monkeypatch, folder)
        made = MadeRepository(folder)
        made.commit("First\n\nand last", readme="hello\n")
        yield made


@pytest.fixture(scope="module")
def server(
    repository: MadeRepository, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RunningMetadata]:
    folder = tmp_path_factory.mktemp("server")
    settings = {"FLEET_METADATA_TOKEN": TOKEN, "FLEET_TASK_FILE": str(folder / "task.json")}
    with RunningMetadata(repository.folder, folder / "log", **settings) as server:
        yield server


def get(server: RunningMetadata, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}{path}", headers=BEARER | headers, trust_env=False, timeout=60)


def in_time(server: RunningMetadata, path: str, *collectors: str) -> httpx.Response:
    """An answer in which those are ok: on a busy machine the two seconds that each has may just pass."""
    answers: list[httpx.Response] = []

    def are_ok() -> bool:
        answers.append(get(server, path))
        states = answers[-1].json()["meta"]["collectors"]
        in_time = {state["name"] for state in states if "longer than" not in state.get("error", "")}
        return in_time >= set(collectors) <= {state["name"] for state in states if state["status"] == "ok"}

    until(are_ok)
    return answers[-1]


def test_what_changes_in_the_repository_is_in_the_next_answer(
    server: RunningMetadata, repository: MadeRepository
) -> None:
    def told(key: str) -> Any:
        return in_time(server, f"/metadata?keys={key}", "git").json()["data"][key]["value"]

    for number in range(5):
        repository.git("checkout", "--quiet", "-b", f"branch-{number}")
        assert told("git_branch") == f"branch-{number}"
        repository.write("new", str(number))
        assert (told("git_status"), told("git_dirty_files")) == ("modified", 1)
        repository.git("add", "new")
        assert told("git_status") == "staged"
        commit = repository.commit(f"Number {number}")
        assert (told("git_status"), told("git_commit_hash")) == ("clean", commit)
        assert told("git_commit_message") == f"Number {number}"


async def test_a_hundred_readers_at_once_are_all_answered(server: RunningMetadata) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=BEARER, trust_env=False, timeout=60) as client:
        answers = await asyncio.gather(*(client.get("/metadata") for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {200: 100}
    collected = {answer.json()["meta"]["collected_at"] for answer in answers}
    # The connections do not all stand at the same moment.
    assert len(collected) < 50


@pytest.mark.parametrize("mode", ERAS)
async def test_agents_of_either_era_ask_over_http(server: RunningMetadata, mode: str) -> None:
    transport = StreamableHttpTransport(f"{server.url}/mcp", auth=TOKEN)
    async with Client(transport, mode=mode) as agent:
        assert agent.protocol_version == ERAS[mode]
        collected = await agent.call_tool("collect_metadata", {"key": "git_commit_author"})
        listed = await agent.call_tool("list_metadata_keys")
        [content] = await agent.read_resource("metadata://git_commit_author")
        with pytest.raises(ToolError, match="no key 'nothing'"):
            await agent.call_tool("collect_metadata", {"key": "nothing"})
    assert (collected.structured_content or {})["data"]["git_commit_author"]["value"] == "Ada Lovelace"
    assert json.loads(content.text)["value"] == "Ada Lovelace"  # pyright: ignore[reportAttributeAccessIssue]  # a text
    keys = {key["key"] for key in (listed.structured_content or {})["keys"]}
    assert "git_branch" in keys
    assert "workspace_cpu_percent" in keys
    assert not any(key.startswith("github_") for key in keys)


@pytest.mark.parametrize("mode", ERAS)
async def test_without_the_token_no_agent_is_let_in(server: RunningMetadata, mode: str) -> None:
    with pytest.raises(MCPError, match="error response"):
        await Client(StreamableHttpTransport(f"{server.url}/mcp"), mode=mode).__aenter__()


async def _asked_over_stdio(transport: StdioTransport) -> dict[str, Any]:
    async with asyncio.timeout(60), Client(transport) as agent:
        assert {tool.name for tool in await agent.list_tools()} == {"collect_metadata", "list_metadata_keys"}
        return (await agent.call_tool("collect_metadata", {"key": "git_branch"})).structured_content or {}


async def test_an_agent_that_starts_the_server_speaks_over_its_standard_streams(
    repository: MadeRepository, tmp_path: Path
) -> None:
    branch = repository.git("branch", "--show-current")
    told = environment({"METADATA_FOLDER": str(repository.folder)})
    program, *arguments = COMMAND
    transport = StdioTransport(program, [*arguments, "serve", "--stdio"], told, log_file=tmp_path / "log")
    assert (await _asked_over_stdio(transport))["data"]["git_branch"]["value"] == branch


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_over_standard_streams_it_ends_when_it_is_told_to(
    repository: MadeRepository, number: signal.Signals, code: int
) -> None:
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    told = environment({"METADATA_FOLDER": str(repository.folder)})
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, "serve", "--stdio"], env=told, stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(ping)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(number)
        # Its input is open as before.
        assert process.wait(60) == code


async def test_fastmcp_runs_it_by_its_file(repository: MadeRepository, tmp_path: Path) -> None:
    branch = repository.git("branch", "--show-current")
    told = environment({"METADATA_FOLDER": str(repository.folder)})
    fastmcp = str(Path(sys.executable).with_name("fastmcp"))
    arguments = ["run", "fastmcp.json", "--no-banner"]
    transport = StdioTransport(fastmcp, arguments, told, cwd=str(PACKAGE), log_file=tmp_path / "log")
    assert (await _asked_over_stdio(transport))["data"]["git_branch"]["value"] == branch


def test_a_server_that_is_stopped_ends_well_and_leaves_nothing(
    repository: MadeRepository, tmp_path: Path
) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with RunningMetadata(repository.folder, tmp_path / "log") as server:
            assert get(server, "/metadata").status_code == 200
            children = psutil.Process(server.pid).children(recursive=True)
            assert server.stop(number) == 0, server.log
        assert not [child for child in children if child.is_running()]
        assert "Traceback" not in server.log


def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path) -> None:
    for name, value, line in (
        ("METADATA_PORT", "70000", "METADATA_PORT: Input should be less than or equal to 65535"),
        ("METADATA_FOLDER", "/no/such/folder", "METADATA_FOLDER: Path does not point to a directory"),
        ("GITHUB_API_URL", "github.com", "GITHUB_API_URL: not the URL of a server, such as https://host"),
        (
            "METADATA_SIZE_LIMIT_MB",
            "0",
            "METADATA_SIZE_LIMIT_MB: Input should be greater than or equal to 0.005",
        ),
    ):
        done = subprocess.run(
            [*COMMAND, "serve"],
            env=environment({name: value}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (2, f"Error: {line}\n")


def canary(number: int) -> str:
    return f"ghp_Canary{number:02}{'x' * 28}"


def github_with_canaries(asked: Asked) -> Told:
    """A pull request that tells secrets, and refusals that do."""
    pull = {
        "number": 7,
        "state": "open",
        "title": f"Use {canary(1)} and https://me:{canary(2)}@example.com/",
        "html_url": f"https://me:{canary(3)}@github.com/acme/shop/pull/7",
        "draft": False,
        "merged_at": None,
        "head": {"ref": "planted", "sha": "a" * 40, "user": {"login": "acme"}, "label": "acme:planted"},
        "requested_reviewers": [],
        "requested_teams": [],
    }
    if asked.path.startswith("/repos/acme/shop/pulls?"):
        return Told(json.dumps([pull]).encode())
    refused = {"message": f"what is {canary(4)}, {dict(asked.headers)}"}
    return Told(json.dumps(refused).encode(), 403, {"x-ratelimit-remaining": "4000"})


def plant(repository: MadeRepository, task: Path, forge_url: str) -> dict[str, str]:
    """Put secrets into the task, a commit and the remote; the settings with others."""
    told = {"status": "running", "description": f"with password={canary(5)}", "source": f"me {canary(6)}"}
    task.write_text(json.dumps(told))
    repository.git("checkout", "--quiet", "-B", "planted")
    repository.commit(f"Use {canary(7)}\n\nBearer {canary(8)}")
    repository.git("remote", "add", "origin", f"https://me:{canary(9)}@github.com/acme/shop.git")
    return {
        "GITHUB_API_URL": forge_url,
        "GITHUB_TOKEN": canary(10),
        "CODER_AGENT_URL": forge_url,
        "CODER_AGENT_TOKEN": canary(11),
        "CODER_WORKSPACE_ID": "2b1b1c1e-1111-4222-8333-444455556666",
        "CODER_WORKSPACE_NAME": canary(12),
        "GITLAB_TOKEN": canary(13),
        "FLEET_METADATA_TOKEN": TOKEN,
        "AWS_SECRET_ACCESS_KEY": canary(14),
        "FLEET_TASK_FILE": str(task),
        "LOG_LEVEL": "DEBUG",
    }


def test_planted_secrets_are_in_no_answer_log_or_metric(repository: MadeRepository, tmp_path: Path) -> None:
    """In the remote, the environment, the task, a commit, the answers of GitHub and its errors."""
    with small_server(github_with_canaries) as forge:
        settings = plant(repository, tmp_path / "task.json", forge.url)
        with RunningMetadata(repository.folder, tmp_path / "log", **settings) as server:
            whole = in_time(server, "/metadata", "git", "github", "workspace")
            answers = [whole, get(server, "/metrics"), get(server, f"/metadata/{canary(15)}")]
            answers += [get(server, f"/metadata/{key}?format=text") for key in whole.json()["data"]]
            answers += [get(server, "/metadata", Authorization=canary(16))]
    repository.git("remote", "remove", "origin")
    values = {key: entry["value"] for key, entry in whole.json()["data"].items()}
    assert values["git_remote_url"] == "https://github.com/acme/shop.git"
    assert (values["github_pr_number"], values["github_pr_url"]) == (
        7,
        "https://github.com/acme/shop/pull/7",
    )
    assert values["workspace_task_description"] == "with password=***"
    assert "Use ghp_***" in values["git_commit_message"]
    assert TOKEN not in server.log
    for text in (server.log, *(answer.text + str(answer.headers) for answer in answers)):
        # The key that was asked for is told again to who asked for it.
        assert "Canary" not in text.replace(canary(15), "")
    assert any(asked.headers.get("Authorization") == f"Bearer {canary(10)}" for asked in forge.asked)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_to_good_and_bad_requests_are_as_documented(
    server: RunningMetadata, mode: GenerationMode, subtests: pytest.Subtests
) -> None:
    document = get(server, "/openapi.json").json()
    generation = GenerationConfig(with_security_parameters=False)
    projects = ProjectsConfig(default=ProjectConfig(generation=generation))
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig(projects=projects))
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == 5
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not list(operation.iter_parameters()):
            continue
        with subtests.test(operation.label):
            _probe(operation, mode, server.url)


def _probe(operation: Any, mode: GenerationMode, url: str) -> None:
    @hypothesis.settings(
        max_examples=40,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def probe(case: Case[Any]) -> None:
        case.call_and_validate(base_url=url, headers=BEARER)

    probe()


def test_it_runs_where_no_settings_are(tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    with RunningMetadata(folder, tmp_path / "log", PATH=os.environ["PATH"]) as server:
        states = in_time(server, "/metadata", "workspace").json()["meta"]["collectors"]
    told = {state["name"]: state["status"] for state in states}
    assert told == {
        "ci": "not_applicable",
        "git": "not_applicable",
        "github": "not_applicable",
        "gitlab": "not_applicable",
        "toolhive": "failed",
        "workspace": "ok",
    }
