"""What a running service makes of a ToolHive whose answers change, fail and come back."""

from collections.abc import Callable, Generator

import pytest
from inventory_service import REGISTRY, WORKLOADS, InventoryService, inventory_service
from toolhive_server import REGISTRY as REGISTRY_PATH
from toolhive_server import WORKLOADS as WORKLOADS_PATH
from toolhive_server import ToolhiveServer

GITHUB_URL = "https://api.githubcopilot.com/mcp"
HOST = "remote:api.githubcopilot.com"
IMAGE = "ghcr.io/stackloklabs/gofetch/server"


@pytest.fixture(scope="module")
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        yield server


@pytest.fixture(scope="module")
def running(
    toolhive: ToolhiveServer, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[InventoryService]:
    folder = tmp_path_factory.mktemp("inventory")
    with inventory_service(folder, module_database_url, TOOLHIVE_URL=toolhive.url) as running:
        running.wait_for_first_runs()
        yield running


@pytest.fixture
def inventory(running: InventoryService, toolhive: ToolhiveServer) -> InventoryService:
    """One that knows of `custom-github` and its entry, and of `fetch` and its."""
    toolhive.workloads = []
    _heal(toolhive)
    running.take(REGISTRY)
    running.take()
    return running


def _heal(toolhive: ToolhiveServer) -> None:
    toolhive.recover()
    toolhive.registry = {
        "servers": {"fetch": {"image": f"{IMAGE}:1.0.3"}},
        "remote_servers": {"github": {"url": GITHUB_URL, "tools": ["get_me"]}},
    }
    toolhive.workloads = [item for item in toolhive.workloads or () if isinstance(item, dict)]
    toolhive.add("custom-github", upstream=GITHUB_URL)
    toolhive.add("fetch", image=f"{IMAGE}:1.0.4")


@pytest.mark.parametrize(
    "spelling",
    [
        GITHUB_URL,
        "HTTPS://API.GitHubCopilot.COM/mcp",
        "https://api.githubcopilot.com:443/mcp/",
        "https://api.githubcopilot.com./%6D%63p",
        "https://me:password@api.githubcopilot.com/x/../mcp?#here",
    ],
)
def test_a_remote_workload_is_matched_by_its_url_however_it_is_spelt(
    inventory: InventoryService, toolhive: ToolhiveServer, spelling: str
) -> None:
    toolhive.add("custom-github", upstream=spelling)
    inventory.take()
    server = inventory.get("/mcp-servers/custom-github")
    assert (server["from_registry"], server["registry_entry_name"]) == (True, "github")
    assert (server["version_differs"], server["ambiguous"], server["remote"]) == (False, False, True)
    assert server["registry_entry"]["urls"] == [GITHUB_URL]
    [entry] = inventory.get("/mcp-registry", q="git")["mcp_registry"]
    assert (entry["name"], entry["workloads"]) == ("github", ["custom-github"])
    assert inventory.targets("mcp:custom-github") == {HOST}


@pytest.mark.parametrize(
    "other", [f"{GITHUB_URL}?toolset=all", "http://api.githubcopilot.com/mcp", f"{GITHUB_URL}x"]
)
def test_a_workload_on_another_url_is_kept_and_is_not_from_the_registry(
    inventory: InventoryService, toolhive: ToolhiveServer, other: str
) -> None:
    toolhive.add("github", upstream=other)
    assert inventory.take()["workloads_not_in_registry"] == 1
    server = inventory.servers["github"]
    assert (server["package"], server["from_registry"], server["registry_entry_name"]) == (other, False, None)
    assert inventory.get("/mcp-servers", from_registry=False)["mcp_servers"] == [server]


def test_another_tag_of_the_image_of_an_entry_is_told_as_that(inventory: InventoryService) -> None:
    server = inventory.servers["fetch"]
    assert (server["registry_entry_name"], server["version_differs"]) == ("fetch", True)
    assert inventory.targets(server["service_id"]) == set()


TROUBLES: dict[str, Callable[[ToolhiveServer], object]] = {
    "the listing is not found": lambda toolhive: toolhive.fail(WORKLOADS_PATH, 404),
    "the listing breaks off": lambda toolhive: toolhive.fail(WORKLOADS_PATH, 0),
    "the listing is a page": lambda toolhive: toolhive.fail(WORKLOADS_PATH, 200, "<html>"),
    "nothing of the listing can be read": lambda toolhive: setattr(toolhive, "workloads", [None]),
    "the details have gone": lambda toolhive: toolhive.lose("custom-github"),
    "the details fail": lambda toolhive: toolhive.fail(f"{WORKLOADS_PATH}/*", 500),
    "the details lead nowhere": lambda toolhive: toolhive.fail(f"{WORKLOADS_PATH}/*", 200, {}),
    "the registry is away": lambda toolhive: toolhive.fail(
        REGISTRY_PATH, 503, {"code": "registry_unavailable"}
    ),
    "the registry is empty": lambda toolhive: setattr(toolhive, "registry", {"remote_servers": {}}),
    "the registry is half": lambda toolhive: setattr(toolhive, "registry", {"remote_servers": {"github": 7}}),
    "nothing is there": lambda toolhive: toolhive.fail("*", 404),
}


def test_a_matched_workload_outlives_every_trouble(
    inventory: InventoryService, toolhive: ToolhiveServer, subtests: pytest.Subtests
) -> None:
    before = inventory.get("/mcp-servers/custom-github")
    for number, trouble in enumerate([*TROUBLES, *reversed(TROUBLES)]):
        with subtests.test(trouble, number=number):
            TROUBLES[trouble](toolhive)
            inventory.run(REGISTRY)
            inventory.run(WORKLOADS)
            assert inventory.get("/mcp-servers/custom-github") == before
            assert inventory.targets("mcp:custom-github") == {HOST}
            _heal(toolhive)


def test_what_is_listed_is_told_while_details_are_missing_and_who_is_new_waits_for_them(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    toolhive.add("custom-github", upstream=GITHUB_URL, status="stopped", tools=["get_me"], group="ops")
    toolhive.add("notes", upstream="https://notes.example.com/mcp")
    toolhive.fail(f"{WORKLOADS_PATH}/*", 404)
    changes = inventory.take()
    assert (changes["details_missing"], "'custom-github', 'notes'" in changes["warnings"][0]) == (2, True)
    server = inventory.servers["custom-github"]
    assert (server["status"], server["tools"], server["group"]) == ("stopped", ["get_me"], "ops")
    assert (server["package"], server["from_registry"]) == (GITHUB_URL, True)
    assert set(inventory.servers) == {"custom-github", "fetch"}
    toolhive.recover()
    assert inventory.take()["workloads_upserted"] == 1
    assert set(inventory.servers) == {"custom-github", "fetch", "notes"}


def test_a_workload_follows_its_entry_to_a_new_url_and_back(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    moved = "https://mcp.github.example/v2"
    for entry, workload, matched in [
        (moved, GITHUB_URL, False),
        (moved, moved, True),
        (GITHUB_URL, moved, False),
        (GITHUB_URL, GITHUB_URL, True),
    ]:
        toolhive.registry["remote_servers"]["github"]["url"] = entry
        toolhive.add("custom-github", upstream=workload)
        inventory.take(REGISTRY)
        inventory.take()
        assert inventory.servers["custom-github"]["from_registry"] is matched


async def test_agents_are_told_the_same(inventory: InventoryService) -> None:
    async with inventory.agent() as agent:
        page = await agent.call_tool("list_mcp_servers", {"remote": True})
        one = await agent.call_tool("get_mcp_server", {"name": "custom-github"})
    assert page.structured_content == inventory.get("/mcp-servers", remote=True)
    assert one.structured_content == inventory.get("/mcp-servers/custom-github")
