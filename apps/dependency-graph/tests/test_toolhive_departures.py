"""What goes from a running service when workloads go from ToolHive, and what stays."""

from collections.abc import Generator

import pytest
from factories import body
from inventory_service import REGISTRY, InventoryService, inventory_service
from toolhive_server import WORKLOADS as WORKLOADS_PATH
from toolhive_server import ToolhiveServer

URL = "https://notes.example.com/mcp"
NOTES, HOST = "mcp:notes", "remote:notes.example.com"
MAIL = "mcp:mail"


@pytest.fixture(scope="module")
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        yield server


@pytest.fixture(scope="module")
def running(
    toolhive: ToolhiveServer, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[InventoryService]:
    folder = tmp_path_factory.mktemp("departures")
    with inventory_service(folder, module_database_url, TOOLHIVE_URL=toolhive.url) as running:
        running.wait_for_first_runs()
        yield running


@pytest.fixture
def inventory(running: InventoryService, toolhive: ToolhiveServer) -> InventoryService:
    """One that knows of a container and of a remote workload, and else of nothing."""
    for service_id in running.services:
        running.http.delete(f"/services/{service_id}").raise_for_status()
    toolhive.recover()
    toolhive.workloads = []
    toolhive.add("fetch", image="mcp/fetch:1")
    toolhive.add("notes", upstream=URL)
    running.take()
    assert running.services == {"mcp:fetch", NOTES, HOST}
    return running


def _tell(inventory: InventoryService, source: str, target: str) -> None:
    """Something else than ToolHive sees that one depends on the other."""
    told = body((source, target), source="kubernetes")
    inventory.http.post("/services/dependencies", json=told).raise_for_status()


def test_a_workload_that_goes_takes_its_service_and_its_host_along(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    toolhive.remove("notes")
    changes = inventory.take()
    assert (changes["workloads_removed"], changes["services_removed"], changes["dependencies_removed"]) == (
        1,
        2,
        1,
    )
    assert (set(inventory.servers), inventory.services) == ({"fetch"}, {"mcp:fetch"})
    assert inventory.http.get("/mcp-servers/notes").status_code == 404
    assert inventory.http.get(f"/services/{NOTES}/dependencies").status_code == 404


def test_a_workload_that_stops_stays(inventory: InventoryService, toolhive: ToolhiveServer) -> None:
    toolhive.add("notes", upstream=URL, status="stopped", url="")
    inventory.take()
    server = inventory.servers["notes"]
    assert (server["status"], server["url"], server["package"]) == ("stopped", None, URL)
    assert inventory.get("/mcp-servers", status="stopped")["mcp_servers"] == [server]
    assert inventory.targets(NOTES) == {HOST}


def test_a_host_of_two_workloads_goes_with_the_second(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    toolhive.add("mail", upstream="https://NOTES.example.com:443/mail")
    inventory.take()
    assert inventory.targets(MAIL) == {HOST}
    toolhive.remove("notes")
    inventory.take()
    assert inventory.services == {"mcp:fetch", MAIL, HOST}
    toolhive.remove("mail")
    inventory.take()
    assert inventory.services == {"mcp:fetch"}


def test_a_workload_that_leads_to_another_port_now_leaves_its_host(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    toolhive.add("notes", upstream="https://notes.example.com:8443/mcp")
    inventory.take()
    assert inventory.targets(NOTES) == {f"{HOST}:8443"}
    assert inventory.services == {"mcp:fetch", NOTES, f"{HOST}:8443"}


def test_what_something_else_refers_to_stays(inventory: InventoryService, toolhive: ToolhiveServer) -> None:
    _tell(inventory, "cart", HOST)
    _tell(inventory, "cart", "mcp:fetch")
    toolhive.workloads = []
    toolhive.add("mail", upstream="https://mail.example.com/mcp")
    assert inventory.take()["workloads_removed"] == 2
    assert inventory.services == {"cart", HOST, "mcp:fetch", MAIL, "remote:mail.example.com"}
    assert inventory.targets("cart") == {HOST, "mcp:fetch"}


def test_a_dependency_that_something_else_sees_too_stays(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    _tell(inventory, NOTES, HOST)
    toolhive.remove("notes")
    inventory.take()
    [edge] = inventory.get(f"/services/{NOTES}/dependencies")["edges"]
    assert (edge["target"], edge["discovery_sources"]) == (HOST, ["kubernetes"])


def test_a_service_that_a_person_registered_stays(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    for service_id in (NOTES, HOST):
        told = {"metadata": {"team": "red"}}
        inventory.http.put(f"/services/{service_id}", json=told).raise_for_status()
    toolhive.remove("notes")
    assert inventory.take()["dependencies_removed"] == 1
    assert inventory.services == {"mcp:fetch", NOTES, HOST}
    assert inventory.targets(NOTES) == set()
    assert inventory.get(f"/services/{NOTES}")["team"] == "red"


def test_a_listing_that_cannot_be_trusted_takes_nothing_along(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    listed = toolhive.workloads
    everything = inventory.services
    toolhive.workloads = [{"name": 7}]
    assert "'fetch', 'notes'" in inventory.take()["warnings"][1]
    toolhive.workloads = None
    assert "empty for the first time" in inventory.take()["warnings"][0]
    toolhive.fail(WORKLOADS_PATH, 404)
    assert inventory.run("toolhive_workloads")["status"] == "failed"
    assert inventory.services == everything
    toolhive.recover()
    toolhive.workloads = listed
    inventory.take()
    toolhive.workloads = []
    assert inventory.take()["workloads_removed"] == 0
    assert inventory.services == everything
    assert inventory.take()["workloads_removed"] == 2
    assert (inventory.servers, inventory.services) == ({}, set())


def test_an_entry_that_goes_leaves_its_workloads(
    inventory: InventoryService, toolhive: ToolhiveServer
) -> None:
    toolhive.registry = {"servers": {"fetch": {"image": "mcp/fetch:1"}, "web": {"image": "mcp/web:1"}}}
    inventory.take(REGISTRY)
    assert inventory.servers["fetch"]["registry_entry_name"] == "fetch"
    del toolhive.registry["servers"]["fetch"]
    assert inventory.take(REGISTRY)["workloads_relinked"] == 1
    assert inventory.servers["fetch"]["from_registry"] is False
