"""What is read of a registry, in both of its formats."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs
from toolhive_answers import DATA, SECRET, SMALL_REGISTRY, Json, oci, upstream_server
from toolhive_server import REGISTRY, ToolhiveServer

from toolhive_client import RegistryServer, RegistryUnavailable, ToolhiveClient

IMAGE, URL = "ghcr.io/example/notes:1.0", "https://notes.example.com/mcp"
real_data = pytest.mark.skipif(not DATA.exists(), reason=f"there is no {DATA}")


async def only(client: ToolhiveClient) -> RegistryServer:
    registry = await client.get_registry()
    assert registry.unreadable == 0
    [server] = registry.servers
    return server


async def test_servers_run_from_images_and_by_others_are_told_of(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.registry = SMALL_REGISTRY
    registry = await client.get_registry()
    assert registry.servers == (
        RegistryServer(
            name="fetch",
            images=("ghcr.io/stackloklabs/gofetch/server:1.0.3",),
            description="Fetches pages",
            transport="stdio",
            status="Active",
            tier="Community",
            repository_url="https://github.com/StacklokLabs/gofetch",
            tags=("web",),
            tools=("fetch",),
        ),
        RegistryServer(
            name="github-remote",
            urls=("https://api.githubcopilot.com/mcp",),
            description="GitHub's own server",
            transport="streamable-http",
            status="Active",
            tier="Official",
            tags=("remote",),
            tools=("create_issue",),
        ),
    )


@real_data
async def test_the_real_registry_has_seventy_nine_images_and_twenty_three_urls(
    client: ToolhiveClient,
) -> None:
    registry = await client.get_registry()
    images = [image for server in registry.servers for image in server.images]
    assert (len(images), sum(len(server.urls) for server in registry.servers), registry.unreadable) == (
        79,
        23,
        0,
    )
    assert len({server.name for server in registry.servers}) == 102
    # Two pairs of entries share an image.
    assert len(set(images)) == 77
    assert all(server.description and server.tier and server.tags for server in registry.servers)


@real_data
async def test_the_real_file_in_the_upstream_format_is_read(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.fail(REGISTRY, 200, json.loads((DATA / "toolhive-registry-upstream-format.json").read_text()))
    container, remote = (await client.get_registry()).servers
    assert (container.name, container.images, container.transport) == (
        "io.github.stacklok/example-container",
        ("example/mcp-server:latest",),
        "stdio",
    )
    assert (remote.urls, remote.transport) == (("https://api.example.com/mcp",), "sse")
    assert (remote.tier, remote.status, remote.tags, remote.tools) == (
        "Community",
        "active",
        ("example", "remote"),
        ("remote-tool",),
    )


SERVER = upstream_server("io.github.example/notes", packages=[oci(IMAGE)])
LEGACY = {"servers": {"io.github.example/notes": {"image": IMAGE}}}


@pytest.mark.parametrize(
    "document",
    [
        LEGACY,
        {**LEGACY, "remote_servers": None, "groups": None},
        {"registry": LEGACY},
        {"groups": [LEGACY], "servers": {}, "remote_servers": {}},
        {"servers": [SERVER]},
        {"servers": [{"server": SERVER, "_meta": {}}], "metadata": {"total": 1}},
        {"data": {"servers": [SERVER]}},
        {"registry": {"data": {"servers": [SERVER]}}},
    ],
)
async def test_every_format_and_envelope_is_read_wherever_it_comes(
    client: ToolhiveClient, toolhive: ToolhiveServer, document: Json
) -> None:
    toolhive.fail(REGISTRY, 200, document)
    server = await only(client)
    assert (server.name, server.images) == ("io.github.example/notes", (IMAGE,))


@pytest.mark.parametrize(
    "document", [None, [], {}, 7, "text", {"servers": 7}, {"servers": {"a": []}, "remote_servers": 1}]
)
async def test_what_is_no_registry_is_no_empty_registry(
    client: ToolhiveClient, toolhive: ToolhiveServer, document: Any
) -> None:
    for answer in (document, {"registry": document}, {"servers": [], "metadata": 7}):
        toolhive.fail(REGISTRY, 200, json.dumps(answer))
        with pytest.raises(RegistryUnavailable, match="in no known format; check `thv config get-registry`"):
            await client.get_registry()


async def test_neither_is_what_is_no_json(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.fail(REGISTRY, 200, f"<html>{SECRET}</html>")
    with pytest.raises(RegistryUnavailable, match="in no known format") as refused:
        await client.get_registry()
    assert SECRET not in str(refused.value)


async def test_a_registry_may_be_empty(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.registry = {"servers": {}, "remote_servers": {}}
    assert (await client.get_registry()).servers == ()


async def test_a_name_in_both_maps_is_one_server(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    container = {"image": IMAGE, "tier": "Community", "tools": ["one", "both"]}
    remote = {"url": URL, "tier": "Official", "description": "Notes", "tools": ["both", "two"]}
    toolhive.registry = {"servers": {"notes": container}, "remote_servers": {"notes": remote}}
    assert await only(client) == RegistryServer(
        name="notes",
        images=(IMAGE,),
        urls=(URL,),
        description="Notes",
        tier="Community",
        tools=("one", "both", "two"),
    )


async def test_servers_of_groups_are_there_unless_they_are_outside_as_well(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    inside = {"notes": {"url": f"{URL}/inside"}, "other": {"url": f"{URL}/other"}}
    toolhive.registry = {
        "servers": {},
        "remote_servers": {"notes": {"url": URL}},
        "groups": [{"name": "a", "remote_servers": inside}, {"name": "bad", "servers": []}],
    }
    registry = await client.get_registry()
    assert {server.name: server.urls for server in registry.servers} == {
        "notes": (URL,),
        "other": (f"{URL}/other",),
    }
    assert registry.unreadable == 1


@pytest.mark.parametrize("item", [None, 7, [], {"image": 7}, {"url": [SECRET]}, {"tags": SECRET}])
async def test_a_server_that_cannot_be_read_is_counted_and_logged_by_its_name(
    client: ToolhiveClient, toolhive: ToolhiveServer, item: Any
) -> None:
    toolhive.registry = {"servers": {"bad": item, "": {}}, "remote_servers": {"notes": {"url": URL}}}
    with capture_logs() as logs:
        registry = await client.get_registry()
    assert [server.name for server in registry.servers] == ["notes"]
    assert registry.unreadable == 2
    assert [(log["what"], log["names"]) for log in logs] == [("registry", ["bad", None])]
    assert SECRET not in str(logs)


async def test_texts_are_in_one_line_and_bounded(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    told = {
        "description": "two\n\tlines\x00 " + "a" * 2000,
        "title": " \x07 ",
        "tier": "t" * 65,
        "url": "no URL",
    }
    toolhive.registry = {"servers": {}, "remote_servers": {"notes": told}}
    server = await only(client)
    assert server.description == "two lines " + "a" * 990
    assert (server.title, server.tier, server.urls) == (None, None, ())
