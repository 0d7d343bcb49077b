"""Registries in ToolHive's own format: names in several places, not all of which can be read, and many of them."""

from typing import Any

import pytest
from structlog.testing import capture_logs
from toolhive_answers import Json
from toolhive_server import ToolhiveServer

from toolhive_client import ToolhiveClient
from toolhive_client.reading.unreadable import Strange
from toolhive_client.registry.legacy_format import MOST_GROUPS, MOST_SERVERS, read_legacy_registry

IMAGE, URL = "ghcr.io/example/notes:1.0", "https://notes.example.com/mcp"
BAD: Json = {"tags": 7}


def maps(container: Any, remote: Any) -> Json:
    return {"servers": {"notes": container, "other": {}}, "remote_servers": {"notes": remote}}


@pytest.mark.parametrize(
    ("container", "remote"),
    [({"image": IMAGE}, BAD), (BAD, {"url": URL}), (BAD, BAD)],
    ids=["remote", "container", "both"],
)
async def test_half_of_a_server_is_not_given_and_counted_once(
    client: ToolhiveClient, toolhive: ToolhiveServer, container: Json, remote: Json
) -> None:
    toolhive.registry = maps(container, remote)
    with capture_logs() as logs:
        registry = await client.get_registry()
    assert ([server.name for server in registry.servers], registry.unreadable) == (["other"], 1)
    assert [(log["what"], log["names"], log["positions"]) for log in logs] == [("registry", ["notes"], [0])]


async def test_one_of_a_group_does_not_stand_for_one_outside_that_cannot_be_read(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    inside = {"name": "a", "remote_servers": {"notes": {"url": f"{URL}/inside"}}}
    toolhive.registry = {**maps({"image": IMAGE}, BAD), "groups": [inside]}
    registry = await client.get_registry()
    assert ([server.name for server in registry.servers], registry.unreadable) == (["other"], 1)


async def test_one_of_a_group_that_cannot_be_read_is_no_matter_where_there_is_one_outside(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    groups = [{"name": "a", **maps(BAD, {"url": URL})}]
    toolhive.registry = {"servers": {"notes": {"image": IMAGE}}, "groups": groups}
    registry = await client.get_registry()
    assert {server.name: server.images for server in registry.servers} == {"notes": (IMAGE,), "other": ()}
    assert registry.unreadable == 0


async def test_half_of_a_server_of_a_group_is_not_given_either(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.registry = {"servers": {}, "groups": [{"name": "a", **maps({"image": IMAGE}, BAD)}]}
    registry = await client.get_registry()
    assert ([server.name for server in registry.servers], registry.unreadable) == (["other"], 1)


@pytest.mark.parametrize("member", ["servers", "remote_servers"])
def test_there_is_a_bound_to_how_many_servers_are_taken_in(member: str) -> None:
    servers = {f"notes-{number}": {} for number in range(MOST_SERVERS)}
    assert len(read_legacy_registry({member: servers}).found) == MOST_SERVERS
    with pytest.raises(Strange):
        read_legacy_registry({member: servers | {"one-more": {}}})


def test_there_is_a_bound_to_how_many_groups_are_taken_in() -> None:
    groups = [{"servers": {f"notes-{number}": {}}} for number in range(MOST_GROUPS + 1)]
    assert len(read_legacy_registry({"groups": groups[1:]}).found) == MOST_GROUPS
    with pytest.raises(Strange):
        read_legacy_registry({"groups": groups})
