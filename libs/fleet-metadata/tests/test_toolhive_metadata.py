"""The workloads of a ToolHive as users see them: over HTTP, over MCP, and on the command line."""

import json
from collections.abc import Generator
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from command_line import on_a_terminal, run
from fastmcp import Client
from running_metadata import RunningMetadata
from toolhive_answers import SECRET
from toolhive_server import WORKLOADS, ToolhiveServer

IMAGE, UPSTREAM = "ghcr.io/example/plain:1.0", "https://notes.example.com/mcp"


@pytest.fixture
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        server.add("plain", image=IMAGE, status="unhealthy", secrets=True)
        server.add("notes", upstream=UPSTREAM, secrets=True)
        yield server


@pytest.fixture
def settings(toolhive: ToolhiveServer) -> dict[str, str]:
    """Those of a workspace in which ToolHive wants a password."""
    url = toolhive.url.replace("//", f"//me:{SECRET}@")
    return {"TOOLHIVE_URL": url, "METADATA_REFRESH_SECONDS": "1", "LOG_LEVEL": "DEBUG"}


def get(server: RunningMetadata, path: str) -> httpx.Response:
    return httpx.get(f"{server.url}{path}", trust_env=False, timeout=60)


def told(server: RunningMetadata) -> dict[str, Any]:
    data = get(server, "/metadata?prefix=toolhive_").json()["data"]
    return {name: entry["value"] for name, entry in data.items()}


def state(server: RunningMetadata) -> dict[str, Any]:
    [state] = get(server, "/metadata?prefix=toolhive_").json()["meta"]["collectors"]
    return state


def until(server: RunningMetadata, status: str, error: str = "") -> None:
    """Read until it stands so with the collector."""
    deadline = monotonic() + 60
    while (now := state(server))["status"] != status or error not in now.get("error", ""):
        assert monotonic() < deadline, now


@pytest.fixture
def server(tmp_path: Path, settings: dict[str, str]) -> Generator[RunningMetadata]:
    with RunningMetadata(tmp_path, tmp_path / "log", **settings) as server:
        until(server, "ok")
        yield server


async def test_they_are_told_over_http_and_mcp(server: RunningMetadata) -> None:
    values = told(server)
    workloads = values.pop("toolhive_workloads")
    assert values == {
        "toolhive_version": "v0.29.1",
        "toolhive_workload_count": 2,
        "toolhive_running_count": 1,
        "toolhive_unhealthy_count": 1,
    }
    assert [(workload["name"], workload["package"]) for workload in workloads] == [
        ("notes", f"{UPSTREAM}?api_key=***&sig=***"),
        ("plain", IMAGE),
    ]
    assert get(server, "/metadata/toolhive_unhealthy_count?format=text").text == "1"
    assert get(server, "/metadata/toolhive_workloads").json()["schema"]["type"] == "array"
    listed = get(server, "/metadata?list=true&prefix=toolhive_").json()["data"]
    assert set(listed) == {"toolhive_unhealthy_count"}
    async with Client(f"{server.url}/mcp") as agent:
        collected = await agent.call_tool("collect_metadata", {"key": "toolhive_workloads"})
    assert (collected.structured_content or {})["data"]["toolhive_workloads"]["value"] == workloads


def test_secrets_are_in_no_answer_error_log_or_metric(
    server: RunningMetadata, toolhive: ToolhiveServer
) -> None:
    assert told(server)["toolhive_workload_count"] == 2
    answers = [get(server, path) for path in ("/metadata", "/metrics", "/metadata/toolhive_workloads")]
    toolhive.fail(f"{WORKLOADS}/*", body={"code": "oh", "message": SECRET})
    until(server, "ok", "the package of notes is not known")
    answers.append(get(server, "/metadata"))
    toolhive.fail("*", body={"code": "oh", "message": SECRET})
    until(server, "stale", "ToolHive answered 500")
    answers.append(get(server, "/metadata"))
    for text in (server.log, *(answer.text + str(answer.headers) for answer in answers)):
        assert SECRET not in text


def test_what_was_told_stays_while_it_is_away(server: RunningMetadata, toolhive: ToolhiveServer) -> None:
    before = told(server)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        etag = client.get("/metadata?prefix=toolhive_").headers["etag"]
        toolhive.fail("*", 0)
        until(server, "stale", "broke off (RemoteProtocolError); check that it runs, and TOOLHIVE_URL")
        known = {"If-None-Match": etag}
        assert client.get("/metadata?prefix=toolhive_", headers=known).status_code == 304
    assert told(server) == before
    toolhive.remove("plain")
    toolhive.recover()
    until(server, "ok")
    assert told(server)["toolhive_workload_count"] == 1


def test_a_key_of_one_that_is_not_there_is_a_problem_that_says_what_to_do(
    tmp_path: Path, dead_url: str
) -> None:
    with RunningMetadata(tmp_path, tmp_path / "log", TOOLHIVE_URL=dead_url) as server:
        until(server, "failed", "check that it runs, and TOOLHIVE_URL")
        answer = get(server, "/metadata/toolhive_version")
    assert answer.status_code == 503
    assert "check that it runs, and TOOLHIVE_URL" in answer.json()["detail"]


def test_a_command_tells_one_key(settings: dict[str, str], tmp_path: Path) -> None:
    settings |= {"METADATA_FOLDER": str(tmp_path)}
    count = run("get", "toolhive_running_count", **settings)
    workloads = run("get", "toolhive_workloads", **settings)
    assert (count.returncode, count.stdout) == (0, "1\n")
    assert [workload["name"] for workload in json.loads(workloads.stdout)] == ["notes", "plain"]
    assert SECRET not in f"{count}{workloads}"


def test_what_is_logged_of_a_listing_is_no_part_of_what_a_command_prints(
    settings: dict[str, str], toolhive: ToolhiveServer, tmp_path: Path
) -> None:
    toolhive.workloads = [{"name": "odd", "url": 1}]
    told = run("get", "toolhive_workload_count", **settings, METADATA_FOLDER=str(tmp_path))
    assert (told.returncode, told.stdout) == (0, "0\n")
    assert "odd" in told.stderr


def test_on_a_terminal_they_take_one_line(settings: dict[str, str], tmp_path: Path) -> None:
    settings |= {"METADATA_FOLDER": str(tmp_path), "LOG_LEVEL": "WARNING"}
    with on_a_terminal((80, 40), "show", "--prefix", "toolhive_", **settings) as command:
        assert command.wait() == 0
        lines = command.output.splitlines()
    assert all(len(line) <= 80 for line in lines if "\x1b" not in line), lines
    [line] = [line for line in lines if "toolhive_workloads" in line]
    assert '[{"name":"notes","status":"running",' in line
    assert "…" in line
