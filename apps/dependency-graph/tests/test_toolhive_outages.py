"""A service without a ToolHive, with one that hangs, and one that ends while it asks it."""

import asyncio
import json
import signal
from collections.abc import Generator
from pathlib import Path

import asyncpg
import httpx
import pytest
from factories import body
from inventory_service import REGISTRY, WORKLOADS, InventoryService, inventory_service
from running_service import INGEST, RunningService, until
from toolhive_server import WORKLOADS as WORKLOADS_PATH
from toolhive_server import ToolhiveServer

URL = "https://notes.example.com/mcp"
HUNG = f"{WORKLOADS_PATH}/notes"


def _announce(toolhive: ToolhiveServer, state_home: Path) -> None:
    folder = state_home / "toolhive" / "server"
    folder.mkdir(parents=True)
    (folder / "server.json").write_text(json.dumps({"url": toolhive.url, "nonce": toolhive.nonce}))


def test_without_a_toolhive_it_starts_and_says_so_and_takes_up_one_that_comes(
    database_url: str, tmp_path: Path
) -> None:
    alone = {"TOOLHIVE_URL": "", "XDG_STATE_HOME": str(tmp_path), "WORKLOAD_POLLING_INTERVAL": "1"}
    with inventory_service(tmp_path, database_url, **alone) as inventory:
        assert inventory.service.is_ready()
        for source in (WORKLOADS, REGISTRY):
            until(lambda source=source: inventory.last_run(source).get("status") == "failed")
            assert "No ToolHive was found" in inventory.last_run(source)["error"]
            assert "`thv serve`" in inventory.last_run(source)["error"]
            assert inventory.state(source)["configured"]
        assert inventory.get("/mcp-servers") == {"mcp_servers": [], "next_cursor": None}
        with ToolhiveServer() as toolhive:
            toolhive.registry = {"remote_servers": {"notes": {"url": URL}}}
            toolhive.add("my-notes", upstream=URL)
            _announce(toolhive, tmp_path)
            until(lambda: inventory.servers.get("my-notes", {}).get("from_registry"))
        until(lambda: inventory.last_run(WORKLOADS).get("status") == "failed")
        assert inventory.servers["my-notes"]["registry_entry_name"] == "notes"
    assert "Traceback" not in inventory.service.log


@pytest.fixture(scope="module")
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        server.add("fetch", image="mcp/fetch:1")
        yield server


@pytest.fixture(scope="module")
def survivor(
    toolhive: ToolhiveServer, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[InventoryService]:
    folder = tmp_path_factory.mktemp("survivor")
    with inventory_service(folder, module_database_url, TOOLHIVE_URL=toolhive.url) as survivor:
        survivor.wait_for_first_runs()
        yield survivor


@pytest.fixture
def victim(
    survivor: InventoryService, toolhive: ToolhiveServer, module_database_url: str, tmp_path: Path
) -> Generator[RunningService]:
    """A replica in the middle of a run: ToolHive does not tell it the details of `notes`."""
    toolhive.asked.clear()
    toolhive.add("web", image="mcp/web:1")
    toolhive.add("notes", upstream=URL)
    toolhive.seconds[HUNG] = 60
    told = {"DATABASE_URL": module_database_url, "TOOLHIVE_URL": toolhive.url, "API_WORKERS": "1"}
    with RunningService(tmp_path, **told) as victim:
        run = httpx.post(
            f"{victim.url}/api/v1/sync/{WORKLOADS}",
            headers=survivor.http.headers,
            trust_env=False,
            timeout=60,
        )
        assert run.status_code == 202
        until(lambda: toolhive.asked[HUNG])
        yield victim
    toolhive.recover()
    for name in ("web", "notes"):
        toolhive.remove(name)
    survivor.take()


def test_while_toolhive_hangs_others_write(survivor: InventoryService, victim: RunningService) -> None:
    for url in (survivor.service.url, victim.url):
        answer = httpx.post(
            f"{url}{INGEST}", json=body("ab"), headers=survivor.http.headers, timeout=30, trust_env=False
        )
        assert answer.status_code == 202
    assert survivor.last_run(WORKLOADS)["status"] == "running"


async def _recorded(database_url: str, run_id: str) -> tuple[str, str]:
    """How a run ended, and why it failed."""
    connection = await asyncpg.connect(database_url)
    try:
        row = await connection.fetchrow("SELECT status, error FROM graph.sync_runs WHERE id = $1", run_id)
        assert row
        return row["status"], row["error"]
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGKILL, "Interrupted: the process that ran it ended"),
        (signal.SIGTERM, "Interrupted: the service was stopped"),
    ],
)
def test_a_run_that_is_cut_short_stores_nothing_and_is_told_and_recorded(
    survivor: InventoryService,
    victim: RunningService,
    toolhive: ToolhiveServer,
    module_database_url: str,
    number: signal.Signals,
    error: str,
) -> None:
    run_id = survivor.last_run(WORKLOADS)["run_id"]
    victim.signal(number)
    victim.exit_code()
    until(lambda: survivor.last_run(WORKLOADS)["status"] == "failed")
    told = survivor.last_run(WORKLOADS)
    assert (told["run_id"], told["error"].startswith(error), told["changes"]) == (run_id, True, {})
    assert set(survivor.servers) == {"fetch"}
    toolhive.recover()
    assert survivor.take()["workloads_upserted"] == 2
    assert asyncio.run(_recorded(module_database_url, run_id)) == ("failed", told["error"])
    assert "Traceback" not in victim.log
