"""Servers in the format of the MCP registry: packages, remotes, versions."""

from typing import Any

import pytest
from toolhive_answers import SECRET, Json, oci, published, upstream_server, with_secrets
from toolhive_server import ToolhiveServer

from toolhive_client import RegistryServer, ToolhiveClient

NAME = "io.github.example/notes"
IMAGE, URL = "ghcr.io/example/notes:1.0", "https://notes.example.com/mcp"
OFFICIAL = "io.modelcontextprotocol.registry/official"


async def read(client: ToolhiveClient, toolhive: ToolhiveServer, *servers: Any) -> RegistryServer:
    toolhive.servers = list(servers)
    [server] = (await client.get_registry()).servers
    return server


def version(number: str, *, latest: bool | None = None) -> Json:
    meta = {} if latest is None else {OFFICIAL: {"isLatest": latest, "status": "active"}}
    return {"server": upstream_server(NAME, version=number, description=number), "_meta": meta}


@pytest.mark.parametrize(
    ("package", "images"),
    [
        (oci(IMAGE), (IMAGE,)),
        (oci("mcp/notes", version="1.2"), ("mcp/notes:1.2",)),
        (oci("localhost:5000/notes", version="1.2"), ("localhost:5000/notes:1.2",)),
        (oci("mcp/notes:1.1", version="1.2"), ("mcp/notes:1.1",)),
        (oci("mcp/notes@sha256:0a1b", version="1.2"), ("mcp/notes@sha256:0a1b",)),
        (oci("mcp/notes", version="1.2+build"), ("mcp/notes",)),
        (oci("mcp/notes"), ("mcp/notes",)),
        (oci("mcp/notes", version=""), ("mcp/notes",)),
        (oci(""), ()),
        (oci("no image", version="1"), ()),
        ({"registryType": "oci"}, ()),
        ({"registryType": "npm", "identifier": "@example/notes", "version": "1.0"}, ()),
        ({"identifier": IMAGE}, ()),
    ],
)
async def test_only_packages_that_are_images_are_ones(
    client: ToolhiveClient, toolhive: ToolhiveServer, package: Json, images: tuple[str, ...]
) -> None:
    server = await read(client, toolhive, upstream_server(NAME, packages=[package, package]))
    assert server.images == images


async def test_all_that_is_told_of_a_server_is_read(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    extension = {"tier": "Official", "status": "deprecated", "tags": ["notes"], "tools": ["add"]}
    told = upstream_server(
        NAME,
        title="Notes",
        packages=[{"registryType": "npm", "transport": {"type": "stdio"}}, oci(IMAGE)],
        remotes=[
            {"type": "sse", "url": URL},
            {"type": "streamable-http", "url": "https://{tenant}.example.com/mcp"},
            {"url": None},
        ],
        repository={"url": "https://github.com/example/notes", "source": "github"},
        _meta=published(IMAGE, **extension),
    )
    assert await read(client, toolhive, told) == RegistryServer(
        name=NAME,
        images=(IMAGE,),
        urls=(URL, "https://{tenant}.example.com/mcp"),
        title="Notes",
        description=f"Serves {NAME}",
        transport="stdio",
        status="deprecated",
        tier="Official",
        repository_url="https://github.com/example/notes",
        tags=("notes",),
        tools=("add",),
    )


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        published("elsewhere", tier="Official"),
        published(URL, tier=7),
        {"io.modelcontextprotocol.registry/publisher-provided": {"io.github.stacklok": [URL], "other": 7}},
        {"io.modelcontextprotocol.registry/publisher-provided": []},
        {OFFICIAL: {"status": 7}},
    ],
)
async def test_nobody_has_to_add_anything_to_it(
    client: ToolhiveClient, toolhive: ToolhiveServer, meta: Any
) -> None:
    server = await read(client, toolhive, upstream_server(NAME, remotes=[{"url": URL}], _meta=meta))
    assert (server.urls, server.tier, server.status, server.tags) == ((URL,), None, None, ())


async def test_the_status_may_be_that_of_the_registry(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    assert (await read(client, toolhive, version("1", latest=True))).status == "active"
    inside = upstream_server(NAME, _meta={OFFICIAL: {"status": "deleted"}})
    assert (await read(client, toolhive, inside)).status == "deleted"


@pytest.mark.parametrize(
    ("versions", "taken"),
    [
        ([version("1.9.0"), version("1.10.0"), version("1.2.0")], "1.10.0"),
        ([version("2.0.0", latest=False), version("1.0.0", latest=True), version("3.0.0")], "1.0.0"),
        ([version("1.0.0", latest=True), version("1.1.0", latest=True)], "1.1.0"),
        ([version("main"), version("nightly")], "nightly"),
        ([version("1.0.0-rc.1"), version("1.0.0"), version("main")], "1.0.0"),
    ],
)
async def test_of_several_versions_the_latest_is_taken(
    client: ToolhiveClient, toolhive: ToolhiveServer, versions: list[Json], taken: str
) -> None:
    assert (await read(client, toolhive, *versions)).description == taken


@pytest.mark.parametrize(
    "item",
    [
        *(None, 7, [], {}, {"server": None}, {"name": ""}, {"name": 7}, {"name": NAME, "packages": {}}),
        *({"name": NAME, "remotes": [7]}, {"name": NAME, "version": 1.0}, {"name": NAME, "_meta": []}),
    ],
)
async def test_a_server_that_cannot_be_read_is_counted(
    client: ToolhiveClient, toolhive: ToolhiveServer, item: Any
) -> None:
    toolhive.servers = [item, upstream_server("example/good")]
    registry = await client.get_registry()
    assert [server.name for server in registry.servers] == ["example/good"]
    assert registry.unreadable == 1


async def test_no_secret_of_a_registry_leaves_the_client(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    secret_url = with_secrets(URL)
    told = {"url": secret_url, "repository_url": secret_url, "env_vars": [{"name": "A", "default": SECRET}]}
    toolhive.registry = {"servers": {"a": {"image": f"u:{SECRET}@a/b"}}, "remote_servers": {"notes": told}}
    legacy = await client.get_registry()
    upstream = upstream_server(
        NAME,
        remotes=[{"url": secret_url, "headers": [{"value": SECRET}]}],
        repository={"url": secret_url},
        _meta=published(secret_url, tier="Official", oauth_config={"client_secret": SECRET}),
    )
    server = await read(client, toolhive, upstream)
    assert (server.urls, server.tier) == ((f"{URL}?api_key=***&sig=***",), "Official")
    assert SECRET not in f"{legacy}{server}"
