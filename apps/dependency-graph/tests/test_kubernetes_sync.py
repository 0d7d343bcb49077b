"""What a running service makes of the workloads of a cluster."""

from collections.abc import Generator

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from factories import make_key, started
from httpx import ASGITransport
from inventory_service import REGISTRY, WORKLOADS, InventoryService, inventory_service
from kubernetes_objects import SECRET, mcp_remote_proxy, mcp_server, mcp_server_entry, with_phase
from kubernetes_server import KubernetesServer, forbidden, kubernetes_server
from toolhive_server import WORKLOADS as WORKLOADS_PATH
from toolhive_server import ToolhiveServer

from dependency_graph.app import create_app
from dependency_graph.settings import Settings

NOTION_URL = "https://mcp.notion.example/mcp"
HOST = "remote:mcp.notion.example"


@pytest.fixture(scope="module")
def kubernetes() -> Generator[KubernetesServer]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(kubernetes_server()) as kubernetes,
    ):
        yield kubernetes


@pytest.fixture(scope="module")
def toolhive() -> Generator[ToolhiveServer]:
    """It has a registry, and a workload that is not of the cluster."""
    with ToolhiveServer() as toolhive:
        toolhive.registry = {"remote_servers": {"notion": {"url": NOTION_URL}}}
        toolhive.add("elsewhere", upstream=NOTION_URL)
        yield toolhive


@pytest.fixture(scope="module")
def inventory(
    kubernetes: KubernetesServer,
    toolhive: ToolhiveServer,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[InventoryService]:
    told = {
        "RUNTIME_MODE": "k8s",
        "K8S_API_SERVER_URL": kubernetes.url,
        "TOOLHIVE_URL": toolhive.url,
        "LOG_LEVEL": "DEBUG",
    }
    folder = tmp_path_factory.mktemp("kubernetes")
    with inventory_service(folder, module_database_url, **told) as inventory:
        inventory.wait_for_first_runs()
        yield inventory


@pytest.fixture(autouse=True)
def cluster(kubernetes: KubernetesServer, inventory: InventoryService) -> None:
    """Two proxies of one name, and an entry and a server of others."""
    proxies = [mcp_remote_proxy("notion", where, remoteUrl=NOTION_URL) for where in ("tools", "ops")]
    kubernetes.serve("mcpremoteproxies", *proxies)
    kubernetes.serve("mcpserverentries", mcp_server_entry("linear"))
    kubernetes.serve("mcpservers", mcp_server("github"))
    inventory.take()


def test_workloads_are_known_by_namespace_and_name(inventory: InventoryService) -> None:
    assert set(inventory.servers) == {"tools/notion", "ops/notion", "tools/linear", "tools/github"}
    for name in ("tools/notion", "tools%2Fnotion"):
        server = inventory.get(f"/mcp-servers/{name}")
        assert (server["name"], server["namespace"], server["runtime"]) == ("tools/notion", "tools", "k8s")
        assert (server["service_id"], server["package"]) == ("mcp:tools/notion", NOTION_URL)
    assert inventory.servers["tools/linear"]["package"] == "https://mcp.linear.example/sse"


def test_workloads_are_matched_with_the_registry_of_the_toolhive_that_is_named(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    assert inventory.state(REGISTRY)["configured"]
    inventory.take(REGISTRY)
    [entry] = inventory.get("/mcp-registry")["mcp_registry"]
    assert (entry["name"], entry["workloads"]) == ("notion", ["ops/notion", "tools/notion"])
    assert inventory.get("/mcp-servers/tools/notion")["registry_entry"] == entry
    assert not [path for path in toolhive.asked if path.startswith(WORKLOADS_PATH)]


def test_workloads_are_in_the_graph_under_their_full_names(inventory: InventoryService) -> None:
    assert inventory.targets("mcp:tools%2Fnotion") == inventory.targets("mcp:ops%2Fnotion") == {HOST}
    callers = inventory.get(f"/services/{HOST}/dependencies", direction="upstream")["nodes"]
    assert {node["service_id"] for node in callers} == {"mcp:tools/notion", "mcp:ops/notion"}


async def test_agents_ask_by_the_full_name(inventory: InventoryService) -> None:
    async with inventory.agent() as agent:
        told = await agent.call_tool("get_mcp_server", {"name": "ops/notion"})
    assert told.structured_content == inventory.get("/mcp-servers/ops/notion")


def test_a_workload_of_one_namespace_goes_alone(
    inventory: InventoryService, kubernetes: KubernetesServer
) -> None:
    proxy = mcp_remote_proxy("notion", "ops", remoteUrl=NOTION_URL)
    kubernetes.serve("mcpremoteproxies", with_phase(proxy, "Failed"))
    assert inventory.take()["workloads_removed"] == 1
    assert inventory.servers["ops/notion"]["status"] == "error"
    assert {"mcp:ops/notion", HOST} <= inventory.services
    assert "mcp:tools/notion" not in inventory.services


def test_a_list_that_is_forbidden_removes_nothing_and_says_what_to_do(
    inventory: InventoryService, kubernetes: KubernetesServer
) -> None:
    before = inventory.servers
    kubernetes.answer_instead("mcpremoteproxies", forbidden("mcpremoteproxies"))
    kubernetes.serve("mcpservers")
    run = inventory.run(WORKLOADS)
    assert (run["status"], "403" in run["error"], "mcpremoteproxies" in run["error"]) == (
        "failed",
        True,
        True,
    )
    assert inventory.servers == before


def test_no_secret_of_a_resource_is_told_or_logged(
    inventory: InventoryService, kubernetes: KubernetesServer
) -> None:
    kubernetes.serve(
        "mcpremoteproxies", mcp_remote_proxy("secret"), {"metadata": {"name": 7}, "spec": SECRET}
    )
    told = f"{inventory.take()}{inventory.servers}{inventory.get('/graph')}"
    assert "https://mcp.notion.example/mcp?api_key=***&v=2" in told
    assert [text for text in (told, inventory.service.log) if SECRET in text] == []


async def test_without_a_toolhive_there_is_no_registry_and_the_reason_is_told(
    settings: Settings, database_url: str, kubernetes: KubernetesServer
) -> None:
    told = {"runtime_mode": "k8s", "k8s_api_server_url": kubernetes.url, "toolhive_url": None}
    key = {"X-API-Key": await make_key(database_url, "admin")}
    async with started(create_app(settings.model_copy(update=told))) as manager:
        transport = ASGITransport(manager.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://graph/api/v1", headers=key
        ) as client:
            sources = {each["source"]: each for each in (await client.get("/sync")).json()["sources"]}
            run = (await client.post(f"/sync/{REGISTRY}?wait=true")).json()
    registry = sources[REGISTRY]
    assert (registry["configured"], registry["next_run_at"], run["status"]) == (False, None, "failed")
    assert (run["error"], "TOOLHIVE_URL is not set" in run["error"]) == (registry["missing"], True)
    assert sources[WORKLOADS]["configured"]
