"""What cycles leave behind: no row that need not be written, and nowhere a secret."""

from collections.abc import Generator
from typing import NamedTuple

import asyncpg
import pytest
from inventory_service import REGISTRY, WORKLOADS, InventoryService, inventory_service
from toolhive_answers import SECRET, secrets_of_details, with_secrets
from toolhive_server import REGISTRY as REGISTRY_PATH
from toolhive_server import WORKLOADS as WORKLOADS_PATH
from toolhive_server import ToolhiveServer

GITHUB_URL = "https://api.githubcopilot.com/mcp"
IMAGE = "ghcr.io/stackloklabs/gofetch/server:1.0.3"
_TABLES = """
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""
PATHS = (
    "/sync",
    "/services",
    "/graph",
    "/mcp-servers",
    "/mcp-servers/custom-github",
    "/mcp-registry",
    "/services/mcp:custom-github/dependencies",
)


class Row(NamedTuple):
    """A row as text; `xmin` and `ctid` tell which transaction wrote it, and where it lies."""

    table: str
    xmin: str
    ctid: str
    text: str


async def _rows(url: str) -> set[Row]:
    """All that a database holds."""
    connection = await asyncpg.connect(url)
    rows = {
        Row(table, *row)
        for (table,) in await connection.fetch(_TABLES)
        for row in await connection.fetch(f"SELECT xmin::text, ctid::text, t::text FROM {table} AS t")
    }
    await connection.close()
    return rows


async def _rows_of_the_graph(url: str) -> set[Row]:
    """But for the record of runs."""
    return {
        row for row in await _rows(url) if row.table.startswith("graph.") and "sync_runs" not in row.table
    }


@pytest.fixture(scope="module")
def toolhive() -> Generator[ToolhiveServer]:
    """It has a workload of each kind, and a secret wherever there may be one."""
    entry = {"url": with_secrets(GITHUB_URL), "repository_url": with_secrets("https://github.com/a/b")}
    with ToolhiveServer() as server:
        server.registry = {
            "servers": {"fetch": {"image": IMAGE, "env_vars": [{"name": "A", "default": SECRET}]}},
            "remote_servers": {"github": entry | secrets_of_details()},
        }
        server.add(
            "custom-github", upstream=GITHUB_URL, url=with_secrets("http://127.0.0.1/mcp"), secrets=True
        )
        server.add("fetch", image=IMAGE, secrets=True)
        yield server


@pytest.fixture(scope="module")
def inventory(
    toolhive: ToolhiveServer, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[InventoryService]:
    told = {"TOOLHIVE_URL": toolhive.url.replace("//", f"//me:{SECRET}@"), "LOG_LEVEL": "DEBUG"}
    with inventory_service(tmp_path_factory.mktemp("rows"), module_database_url, **told) as inventory:
        inventory.wait_for_first_runs()
        inventory.take(REGISTRY)
        inventory.take()
        yield inventory


async def test_a_cycle_that_finds_nothing_new_writes_nothing(
    inventory: InventoryService, toolhive: ToolhiveServer, module_database_url: str
) -> None:
    before = await _rows_of_the_graph(module_database_url)
    assert {"graph.mcp_workloads", "graph.mcp_registry_servers", "graph.generation"} <= {
        row.table for row in before
    }
    for _ in range(2):
        changes = inventory.take(REGISTRY) | inventory.take()
        assert not any(value for name, value in changes.items() if name.endswith(("upserted", "removed")))
    for path in (REGISTRY_PATH, f"{WORKLOADS_PATH}/*", WORKLOADS_PATH):
        toolhive.fail(path, 404)
        inventory.run(REGISTRY)
        inventory.run(WORKLOADS)
    toolhive.recover()
    assert await _rows_of_the_graph(module_database_url) == before


async def _answers(inventory: InventoryService) -> str:
    """All that anybody is told of the inventory."""
    answers = [inventory.http.get(path).text for path in (*PATHS, f"{inventory.service.url}/metrics")]
    async with inventory.agent() as agent:
        for tool, told in [("list_mcp_servers", {}), ("get_mcp_server", {"name": "custom-github"})]:
            answers.append(str(await agent.call_tool(tool, told)))
    return "\n".join(answers)


async def test_no_secret_gets_into_a_table_an_answer_a_metric_or_the_log(
    inventory: InventoryService, toolhive: ToolhiveServer, module_database_url: str
) -> None:
    told = await _answers(inventory)
    server = inventory.servers["custom-github"]
    assert (server["package"], server["registry_entry_name"]) == (
        f"{GITHUB_URL}?api_key=***&sig=***",
        "github",
    )
    assert server["url"] == "http://127.0.0.1/mcp?api_key=***&sig=***"
    told += _told_in_trouble(inventory, toolhive) + await _answers(inventory)
    stored = "\n".join(row.text for row in await _rows(module_database_url))
    log = inventory.service.log
    assert all("custom-github" in text for text in (told, stored, log))
    assert '"level": "debug"' in log
    assert [name for name, text in [("told", told), ("stored", stored), ("log", log)] if SECRET in text] == []


def _told_in_trouble(inventory: InventoryService, toolhive: ToolhiveServer) -> str:
    """What runs tell of answers that say why they fail, and of what cannot be read."""
    listed = toolhive.workloads or []
    toolhive.workloads = [*listed, {"name": 7, "url": SECRET}, {"name": "odd", "remote": SECRET}]
    why = {"code": "registry_unavailable", "message": f"wrong token {SECRET}"}
    told = [inventory.run(WORKLOADS)]
    for path in (f"{WORKLOADS_PATH}/*", WORKLOADS_PATH, REGISTRY_PATH):
        for status, body in [(500, f"bad token {SECRET}"), (503, why), (200, {SECRET: SECRET})]:
            toolhive.fail(path, status, body)
            told += [inventory.run(WORKLOADS), inventory.run(REGISTRY)]
    toolhive.recover()
    toolhive.workloads = listed
    return str(told)
