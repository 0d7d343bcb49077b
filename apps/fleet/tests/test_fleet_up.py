"""The whole of `fleet up`, run as users do."""

import io
import json
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import zipfile
from collections.abc import Generator
from pathlib import Path

import httpx
import psutil
import pytest
from ci_wheelhouse import installs_from, made_wheel
from fastmcp import Client
from fastmcp.client.client import CallToolResult
from running_fleet import Eventually, RunningFleet, StartFleet, fleets, is_alive

from embedded_services import local_database

INGEST = "/api/v1/services/dependencies"
BRANCH = "what-fleet-up-was-started-in"
OWN_TOKEN = "a-token-of-the-environment"
ROOT_README = (Path(__file__).parents[3] / "README.md").read_text()


@pytest.fixture
def start_fleet(tmp_path: Path, eventually: Eventually) -> Generator[StartFleet]:
    """Start `fleet up` with these options on any free port; it is stopped after the test."""
    yield from fleets(tmp_path, eventually)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, eventually: Eventually) -> Generator[RunningFleet]:
    """A fleet with the sample in it, started in a git repository, up for all tests of a module."""
    repository = tmp_path_factory.mktemp("sample")
    subprocess.run(["git", "init", "--quiet", "--initial-branch", BRANCH, repository], check=True)
    for start in fleets(repository, eventually):
        fleet = start("--sample", environment={"FLEET_METADATA_TOKEN": OWN_TOKEN})
        fleet.wait_until_up()
        yield fleet


def urls_in(data_dir: Path) -> dict[str, str]:
    return json.loads((data_dir / "endpoints.json").read_text())


def client_of(data_dir: Path, service: str = "graph") -> httpx.Client:
    """A client that knows no more than the data folder tells."""
    key = (data_dir / "api-key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=urls_in(data_dir)[service], headers=headers, trust_env=False, timeout=60)


def test_the_sample_is_shown_as_a_tree_of_what_the_checkout_depends_on(sample: RunningFleet) -> None:
    tree = sample.output[sample.output.index("checkoutservice") :]
    for service in ("payment", "shipping", "cart", "currency", "frauddetection", "email", "productcatalog"):
        assert f"── {service}service (" in tree
    assert "│   └── flagd (grpc, soft)" in tree
    assert "    └── quoteservice (http, hard)" in tree
    assert "Warning: 12 edges from a service to itself were left out\n" in sample.output


def test_output_that_goes_to_no_terminal_is_plain_text(sample: RunningFleet) -> None:
    assert sample.output.replace("\n", "").isprintable()


def test_the_screen_shows_urls_health_and_the_key(sample: RunningFleet) -> None:
    key = (sample.data_dir / "api-key").read_text().strip()
    for url in urls_in(sample.data_dir).values():
        assert f"Swagger UI: {url}/docs (" in sample.output
    assert f"API key:    {key} " in sample.output
    for name in ("graph", "ci", "metadata", "sql", "PostgreSQL", "Valkey"):
        assert any(line.split()[0::2] == [name, "ready"] for line in sample.output.splitlines())


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_requests_to_paste_work_as_they_stand(sample: RunningFleet) -> None:
    requests = [line for line in sample.output.splitlines() if line.startswith("curl ")]
    graph, jobs, metadata, sql = (
        json.loads(subprocess.check_output(["/bin/bash", "-c", line])) for line in requests
    )
    assert "checkoutservice" in {service["service_id"] for service in graph["services"]}
    assert jobs == []
    assert metadata["data"]["git_branch"]["value"] == BRANCH
    assert "pg_query" in {told["tool"] for told in sql["tools"]}


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("graph", "/api/v1/services"),
        ("ci", "/jobs"),
        ("metadata", "/metadata"),
        ("sql", "/api/v1/tools"),
    ],
)
def test_every_service_answers_to_the_one_key_and_to_no_other(
    sample: RunningFleet, service: str, path: str
) -> None:
    with client_of(sample.data_dir, service) as client:
        assert client.get(path).status_code == 200
        for other in (f"Bearer {OWN_TOKEN}", ""):
            assert client.get(path, headers={"Authorization": other}).status_code == 401


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_question_of_the_root_readme_to_the_database_is_answered(sample: RunningFleet) -> None:
    [question] = re.findall(r"^curl [^\n]*/mcp --json '.*?'$", ROOT_README, re.MULTILINE | re.DOTALL)
    key = (sample.data_dir / "api-key").read_text().strip()
    answered = subprocess.check_output(
        ["/bin/bash", "-c", question.replace("http://127.0.0.1:8003", urls_in(sample.data_dir)["sql"])],
        env={**os.environ, "KEY": f"Authorization: Bearer {key}"},
    )
    assert ["checkoutservice"] in json.loads(answered)["result"]["structuredContent"]["rows"]


async def ask_sql(data_dir: Path, action: str, **arguments: object) -> CallToolResult:
    key = (data_dir / "api-key").read_text().strip()
    async with Client(f"{urls_in(data_dir)['sql']}/mcp", auth=key) as agent:
        return await agent.call_tool(
            "pg_query", {"action": action, **arguments}, raise_on_error=False, timeout=60
        )


async def test_an_agent_reads_the_graph_and_not_the_keys_and_makes_tables_of_its_own(
    sample: RunningFleet,
) -> None:
    names = await ask_sql(sample.data_dir, "read", sql="select service_id from graph.services")
    assert ["checkoutservice"] in (names.structured_content or {})["rows"]
    for statement in (
        "select * from access.api_keys",
        "select * from ci.jobs",
    ):
        refused = await ask_sql(sample.data_dir, "read", sql=statement)
        assert (refused.structured_content or {})["error"]["sqlstate"] == "42501"
    refused = await ask_sql(sample.data_dir, "write", sql="delete from graph.services", autocommit=True)
    assert (refused.structured_content or {})["error"]["sqlstate"] == "42501"
    made = await ask_sql(sample.data_dir, "write", sql="create table public.notes ()", autocommit=True)
    assert not made.is_error, made.content


def test_the_metadata_tells_of_the_folder_that_fleet_was_started_in(sample: RunningFleet) -> None:
    with client_of(sample.data_dir, "metadata") as client:
        assert client.get("/metadata/git_branch").json()["value"] == BRANCH


def test_what_the_data_folder_tells_is_for_its_owner_and_right(sample: RunningFleet) -> None:
    files = ("api-key", "database-url", "endpoints.json")
    assert {stat.S_IMODE((sample.data_dir / name).stat().st_mode) for name in files} == {0o600}
    assert sample.data_dir.stat().st_mode & 0o066 == 0
    with client_of(sample.data_dir) as client:
        assert client.get("/readyz").status_code == 200
    with local_database(sample.data_dir) as url:
        assert url == (sample.data_dir / "database-url").read_text().strip()


def test_the_key_may_read_write_and_often(sample: RunningFleet) -> None:
    with client_of(sample.data_dir) as client:
        body = {"source": "manual", "timestamp": "2026-02-14T10:00:00Z"}
        assert client.post(INGEST, json=body).status_code == 202
        answer = client.get("/api/v1/services/checkoutservice/dependencies")
    assert answer.status_code == 200
    assert "6000" in answer.headers["RateLimit-Policy"]


def test_a_second_start_on_the_folder_is_refused_and_the_first_one_is_unharmed(
    sample: RunningFleet, start_fleet: StartFleet
) -> None:
    second = start_fleet(data_dir=sample.data_dir)
    assert second.exit_code() == 1
    assert f"The data folder {sample.data_dir} is in use by process" in second.output
    with client_of(sample.data_dir) as client:
        assert client.get("/readyz").status_code == 200


def test_after_kill_9_nothing_runs_and_after_ctrl_c_twice_neither_and_what_was_acknowledged_stays(
    start_fleet: StartFleet, eventually: Eventually
) -> None:
    killed = start_fleet("--sample", environment={"API_WORKERS": "2"})
    killed.wait_until_up()
    edge = {"source": "checkoutservice", "target": "loyalty"}
    with client_of(killed.data_dir) as client:
        body = {"source": "manual", "timestamp": "2026-02-14T10:00:00Z", "edges": [edge]}
        assert client.post(INGEST, json=body).status_code == 202
    key = (killed.data_dir / "api-key").read_text()
    living = list(filter(is_alive, killed.look()))
    assert {"postgres", "valkey-server"} < {process.name() for process in living}
    assert {"dependency_graph", "ci_server", "fleet_metadata", "coldquery"} < {
        word for process in living for word in process.cmdline()
    }
    killed.send(signal.SIGKILL)
    assert killed.exit_code() == -signal.SIGKILL
    eventually(killed.is_gone)

    again = start_fleet("--sample")
    again.wait_until_up()
    assert "loyalty (hard)" in again.output
    assert (again.data_dir / "api-key").read_text() == key
    again.press_ctrl_c()
    again.press_ctrl_c()
    assert again.exit_code() == 0
    assert again.is_gone()
    left = {path.name for path in again.data_dir.iterdir()}
    assert left == {".gitignore", "api-key", "ci", "lock", "logs", "logs.previous", "postgres", "valkey"}


def test_a_job_runs_and_the_metadata_tells_of_it_and_no_process_of_one_outlives_fleet(
    start_fleet: StartFleet, eventually: Eventually, tmp_path: Path
) -> None:
    (wheels := tmp_path / "wheels").mkdir()
    made_wheel(wheels, "pytest", "9.0", {"pytest.py": ""})
    subprocess.run(["git", "init", "--quiet", "--initial-branch", BRANCH, tmp_path], check=True)
    fleet = start_fleet(environment=installs_from(wheels))
    fleet.wait_until_up()
    # Nothing else on the machine sleeps just as long.
    nap = f"sleep 1{secrets.randbelow(10**9):09}"
    with client_of(fleet.data_dir, "ci") as ci, client_of(fleet.data_dir, "metadata") as metadata:
        job_id = submitted(ci, "echo $((6 * 7))")
        eventually(lambda: ci.get(f"/jobs/{job_id}").json()["status"] == "completed")
        assert ci.get(f"/jobs/{job_id}/logs").text.endswith("42\n")
        eventually(lambda: metadata.get("/metadata/ci_job_id").json().get("value") == job_id)
        assert metadata.get("/metadata/ci_job_success").json()["value"] is True
        submitted(ci, nap)
        eventually(lambda: bool(processes_of(nap)))
    fleet.send(signal.SIGKILL)
    assert fleet.exit_code() == -signal.SIGKILL
    eventually(lambda: not processes_of(nap))


def submitted(ci: httpx.Client, command: str) -> str:
    project = io.BytesIO()
    with zipfile.ZipFile(project, "w") as archive:
        archive.writestr("requirements.txt", "")
    answer = ci.post(
        "/submit-async",
        files={"file": ("project.zip", project.getvalue())},
        data={"command": command, "branch": BRANCH},
    )
    return answer.raise_for_status().json()["job_id"]


def processes_of(command: str) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline", "status"])
    return [
        process
        for process in found
        if command in " ".join(process.info["cmdline"] or ())
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_a_graph_service_that_dies_takes_everything_down_and_is_named(start_fleet: StartFleet) -> None:
    fleet = start_fleet()
    fleet.wait_until_up()
    graph = next(process for process in fleet.look() if "dependency_graph" in process.cmdline())
    graph.kill()
    assert fleet.exit_code() == 1
    assert "Error: graph ended with signal 9 (Killed)." in fleet.output
    assert str(fleet.data_dir / "logs" / "graph.log") in fleet.output
    assert fleet.is_gone()
    assert not (fleet.data_dir / "endpoints.json").exists()


def test_metadata_alone_answers_to_a_key_and_takes_everything_down_when_it_dies(
    start_fleet: StartFleet,
) -> None:
    fleet = start_fleet("--only", "metadata")
    fleet.wait_until_up()
    assert urls_in(fleet.data_dir).keys() == {"metadata"}
    key = (fleet.data_dir / "api-key").read_text().strip()
    assert f"API key:    {key} " in fleet.output
    with client_of(fleet.data_dir, "metadata") as client:
        assert client.get("/metadata").status_code == 200
    next(process for process in fleet.look() if "fleet_metadata" in process.cmdline()).kill()
    assert fleet.exit_code() == 1
    assert "Error: metadata ended with signal 9 (Killed)." in fleet.output
    log = fleet.data_dir / "logs" / "metadata.log"
    assert f"{log}:\n" in fleet.output
    assert log.read_text().splitlines()[-1] in fleet.output
    assert fleet.is_gone()
    assert not (fleet.data_dir / "endpoints.json").exists()


def test_a_port_in_use_is_named_with_its_option_before_anything_starts(
    start_fleet: StartFleet, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        fleet = start_fleet("--graph-port", str(port))
        assert fleet.exit_code() == 1
    assert f"cannot listen on port {port} of 127.0.0.1: Address already in use" in fleet.output
    assert "--graph-port" in fleet.output
    assert not (fleet.data_dir / "postgres").exists()


def test_a_stop_while_starting_leaves_nothing_running(start_fleet: StartFleet) -> None:
    fleet = start_fleet()
    fleet.wait_until_up("Bringing the database up to date")
    fleet.send(signal.SIGTERM)
    assert fleet.exit_code() == 0
    assert fleet.is_gone()
