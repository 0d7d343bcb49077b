"""What is made of the registry of a ToolHive."""

from typing import Any

import pytest
from toolhive_server import PAGES, REGISTRY, ToolhiveServer

from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.mcp_server import RegistryEntry
from dependency_graph.infrastructure.toolhive_source import ToolhiveSource, Wanted
from toolhive_client import ToolhiveClient

NAME, IMAGE, URL = "io.github.example/notes", "ghcr.io/example/notes:1.2.0", "https://notes.example.com/mcp"
REPOSITORY = "https://github.com/example/notes"
TIER, STATUS, TAGS, TOOLS = "Official", "active", ("notes", "remote"), ("add_note",)
LEGACY = {
    "title": "Notes",
    "description": "Keeps notes",
    "transport": "sse",
    "status": STATUS,
    "tier": TIER,
    "repository_url": REPOSITORY,
    "tags": TAGS,
    "tools": TOOLS,
}


@pytest.fixture
def source(toolhive_client: ToolhiveClient) -> ToolhiveSource:
    return ToolhiveSource(toolhive_client, None, Wanted(["notes"], ["ops"]))


def _described(images: tuple[str, ...], urls: tuple[str, ...]) -> RegistryEntry:
    return RegistryEntry(
        NAME, images, urls, "Notes", "Keeps notes", "sse", STATUS, TIER, REPOSITORY, TAGS, TOOLS
    )


def _upstream() -> dict[str, Any]:
    extension = {"tier": TIER, "status": STATUS, "tags": TAGS, "tools": TOOLS}
    return {
        "name": NAME,
        "version": "1.2.0",
        "title": "Notes",
        "description": "Keeps notes",
        "repository": {"url": REPOSITORY, "source": "github"},
        "remotes": [{"type": "sse", "url": URL}],
        "_meta": {
            "io.modelcontextprotocol.registry/publisher-provided": {"io.github.stacklok": {URL: extension}}
        },
    }


async def test_an_entry_of_the_legacy_format_comes_with_all_that_it_tells(
    toolhive: ToolhiveServer, source: ToolhiveSource
) -> None:
    toolhive.registry = {"remote_servers": {NAME: LEGACY | {"url": URL}}}
    observed = await source.registry()
    assert (observed.entries, observed.complete, observed.warnings) == ([_described((), (URL,))], True, ())
    toolhive.registry = {"servers": {NAME: LEGACY | {"image": IMAGE}}}
    assert (await source.registry()).entries == [_described((IMAGE,), ())]


async def test_an_entry_of_the_upstream_format_comes_with_all_that_it_tells(
    toolhive: ToolhiveServer, source: ToolhiveSource
) -> None:
    toolhive.servers = [_upstream()]
    observed = await source.registry()
    assert (observed.entries, observed.complete, observed.warnings) == ([_described((), (URL,))], True, ())
    assert toolhive.asked == {REGISTRY: 1, PAGES: 1}


async def test_the_whole_registry_of_toolhive_comes(toolhive: ToolhiveServer, source: ToolhiveSource) -> None:
    entries = (await source.registry()).entries
    parts = [toolhive.registry[part] for part in ("servers", "remote_servers")]
    assert {entry.name for entry in entries} == {name for part in parts for name in part}
    assert sum(len(entry.images) for entry in entries) == len(parts[0])
    assert sum(len(entry.urls) for entry in entries) == len(parts[1])


async def test_an_entry_that_cannot_be_read_leaves_the_rest_and_is_told(
    toolhive: ToolhiveServer, source: ToolhiveSource
) -> None:
    toolhive.registry = {"remote_servers": {NAME: LEGACY | {"url": URL}, "bad": 7, "worse": {"url": 7}}}
    observed = await source.registry()
    assert ([entry.name for entry in observed.entries], observed.complete) == ([NAME], False)
    assert observed.warnings == [
        "2 could not be read and so nothing is removed; the log names each bad entry"
    ]


async def test_an_empty_registry_is_one(toolhive: ToolhiveServer, source: ToolhiveSource) -> None:
    toolhive.registry = {"servers": {}, "remote_servers": {}}
    assert (await source.registry()).entries == []


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        (503, {"code": "registry_auth_required", "message": "log in"}, "thv registry login"),
        (503, {"code": "registry_unavailable", "message": "away"}, "thv config get-registry"),
        (502, {"code": "registry_legacy_format", "message": "old"}, "thv registry convert"),
        (500, "failed", "look at its log"),
        (404, "404 page not found", "TOOLHIVE_URL"),
        (200, "<html>", "known format"),
        (0, "", "TOOLHIVE_URL"),
    ],
)
async def test_a_registry_that_fails_says_what_to_do(
    toolhive: ToolhiveServer, source: ToolhiveSource, status: int, body: Any, advice: str
) -> None:
    toolhive.fail(REGISTRY, status, body)
    with pytest.raises(SourceFailed, match=advice):
        await source.registry()


async def test_a_page_that_fails_fails_the_whole(toolhive: ToolhiveServer, source: ToolhiveSource) -> None:
    toolhive.servers = [_upstream() | {"name": f"{NAME}-{number}"} for number in range(201)]
    assert len((await source.registry()).entries) == 201
    toolhive.fail(PAGES, 500)
    with pytest.raises(SourceFailed, match="look at its log"):
        await source.registry()
