"""What is made of the answers of a ToolHive."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest
from counted_waits import Waits, under_way, until
from structlog.testing import capture_logs
from toolhive_server import WORKLOADS, ToolhiveServer

from dependency_graph.application.ports import ObservedWorkload
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.mcp_server import WorkloadKey
from dependency_graph.infrastructure.toolhive_source import ToolhiveSource, Wanted
from toolhive_client import ToolhiveClient

NOTES_URL = "https://notes.example.com/mcp"


@pytest.fixture
def source(toolhive_client: ToolhiveClient) -> ToolhiveSource:
    return ToolhiveSource(toolhive_client, None, Wanted())


async def _packages(source: ToolhiveSource) -> dict[str, str | None]:
    return {workload.key.name: workload.package for workload in (await source.workloads()).workloads}


async def _names(
    toolhive_client: ToolhiveClient, skipped: Collection[str] = (), groups: Collection[str] = ()
) -> str:
    return " ".join(await _packages(ToolhiveSource(toolhive_client, None, Wanted(skipped, groups))))


async def test_a_container_comes_as_the_list_has_it(toolhive: ToolhiveServer, source: ToolhiveSource) -> None:
    toolhive.add(
        "fetch",
        image="mcp/fetch:1",
        status="stopped",
        transport_type="stdio",
        proxy_mode="sse",
        url="http://127.0.0.1:21000/sse",
        group="web",
        tools=["fetch"],
    )
    observed = await source.workloads()
    assert (observed.runtime, observed.complete, observed.empty, observed.warnings) == (
        "docker",
        True,
        False,
        (),
    )
    assert observed.workloads == [
        ObservedWorkload(
            WorkloadKey("docker", "", "fetch"),
            "mcp/fetch:1",
            remote=False,
            status="stopped",
            transport="stdio",
            proxy_mode="sse",
            url="http://127.0.0.1:21000/sse",
            group="web",
            tools=("fetch",),
        )
    ]


async def test_only_what_a_remote_one_leads_to_comes_from_its_details(
    toolhive: ToolhiveServer, source: ToolhiveSource
) -> None:
    toolhive.add("notes", upstream=NOTES_URL, tools=["add_note"])
    toolhive.details["notes"] |= {"transport": "sse", "proxy_mode": "sse", "group": "other", "tools": []}
    [told] = (await source.workloads()).workloads
    assert (told.package, told.transport, told.proxy_mode) == (
        NOTES_URL,
        "streamable-http",
        "streamable-http",
    )
    assert (told.remote, told.group, told.tools) == (True, "default", ("add_note",))
    toolhive.lose("notes")
    assert (await source.workloads()).workloads == [replace(told, package=None)]


async def test_details_are_asked_for_of_wanted_remote_ones_only(
    toolhive: ToolhiveServer, toolhive_client: ToolhiveClient
) -> None:
    toolhive.add("fetch", image="mcp/fetch:1")
    toolhive.add("notes", upstream=NOTES_URL)
    toolhive.add("inspector", upstream=NOTES_URL)
    await ToolhiveSource(toolhive_client, None, Wanted(["inspector"])).workloads()
    assert toolhive.asked == {WORKLOADS: 1, f"{WORKLOADS}/notes": 1}


async def test_what_is_skipped_is_so_by_its_whole_name(
    toolhive: ToolhiveServer, toolhive_client: ToolhiveClient
) -> None:
    for name in ("inspector", "inspector2", "my-inspector", "Inspector", "other"):
        toolhive.add(name, image="mcp/inspector:1")
    assert await _names(toolhive_client, ["inspector", "other"]) == "inspector2 my-inspector Inspector"
    assert await _names(toolhive_client) == "inspector inspector2 my-inspector Inspector other"


async def test_only_groups_that_are_wanted_come(
    toolhive: ToolhiveServer, toolhive_client: ToolhiveClient
) -> None:
    for name, group in [("a", "default"), ("b", "web"), ("c", "web2"), ("d", None), ("e", "ops")]:
        toolhive.add(name, image="mcp/fetch:1", group=group)
    assert await _names(toolhive_client, groups=["web", "ops"]) == "b e"
    assert await _names(toolhive_client, ["e"], ["web", "ops"]) == "b"
    assert await _names(toolhive_client) == "a b c d e"


TROUBLES: list[tuple[int, Any]] = [
    (404, "Workload not found"),
    (400, "invalid name"),
    (500, "failed"),
    (0, ""),
    (200, "<html>"),
    (200, {"name": "another", "url": NOTES_URL}),
    (200, {"name": "notes", "url": ""}),
]


@pytest.mark.parametrize(("status", "body"), TROUBLES)
async def test_where_details_are_not_to_be_had_the_rest_goes_on(
    toolhive: ToolhiveServer, source: ToolhiveSource, status: int, body: Any
) -> None:
    toolhive.add("notes", upstream=NOTES_URL)
    toolhive.add("fetch", image="mcp/fetch:1")
    toolhive.add("mail", upstream="https://mail.example.com/mcp")
    toolhive.fail(f"{WORKLOADS}/notes", status, body)
    known = {"fetch": "mcp/fetch:1", "mail": "https://mail.example.com/mcp"}
    with capture_logs() as logs:
        assert await _packages(source) == known | {"notes": None}
    assert [(log["event"], list(log["errors"])) for log in logs] == [
        ("mcp_server_details_missing", ["notes"])
    ]
    assert (await source.workloads()).complete
    toolhive.recover()
    assert await _packages(source) == known | {"notes": NOTES_URL}


async def test_where_details_take_too_long_the_rest_goes_on(
    toolhive: ToolhiveServer, skip_ahead: Callable[[float], None]
) -> None:
    toolhive.add("notes", upstream=NOTES_URL)
    toolhive.add("mail", upstream="https://mail.example.com/mcp")
    toolhive.seconds[f"{WORKLOADS}/notes"] = 3600
    async with ToolhiveClient(toolhive.url, timeout_seconds=10, sleep=Waits()) as client:
        asking = asyncio.create_task(_packages(ToolhiveSource(client, None, Wanted())))
        for tries in (1, 2, 3):
            await until(
                lambda tries=tries: (
                    (toolhive.asked[f"{WORKLOADS}/notes"], under_way("_details_or_error")) == (tries, 1)
                )
            )
            skip_ahead(10)
        packages = await asking
    assert packages == {"notes": None, "mail": "https://mail.example.com/mcp"}


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        (500, "failed", "look at its log"),
        (404, "404 page not found", "TOOLHIVE_URL"),
        (0, "", "TOOLHIVE_URL"),
        (200, "<html>", "TOOLHIVE_URL"),
        (200, {"servers": []}, "TOOLHIVE_URL"),
    ],
)
async def test_a_listing_that_fails_says_what_to_do(
    toolhive: ToolhiveServer, source: ToolhiveSource, status: int, body: Any, advice: str
) -> None:
    toolhive.fail(WORKLOADS, status, body)
    with pytest.raises(SourceFailed, match=advice):
        await source.workloads()


async def test_a_toolhive_that_is_not_there_says_what_to_do() -> None:
    async with ToolhiveClient("http://127.0.0.1:9") as client:
        source = ToolhiveSource(client, None, Wanted())
        for asked in (source.workloads, source.registry):
            with pytest.raises(SourceFailed, match=r"cannot be reached .*; check that it runs"):
                await asked()


@pytest.mark.parametrize("item", [None, {}, {"name": "..", "status": "running"}, {"name": "fetch"}])
async def test_a_listing_with_an_item_that_cannot_be_read_is_not_complete(
    toolhive: ToolhiveServer, source: ToolhiveSource, item: Any
) -> None:
    toolhive.add("fetch", image="mcp/fetch:1")
    toolhive.workloads = [*(toolhive.workloads or ()), item]
    observed = await source.workloads()
    assert [workload.key.name for workload in observed.workloads] == ["fetch"]
    assert (observed.complete, observed.empty) == (False, False)
    assert observed.warnings == [
        "1 could not be read and so nothing is removed; the log names each bad workload"
    ]


async def test_a_listing_is_empty_only_where_there_are_none_at_all(
    toolhive: ToolhiveServer, toolhive_client: ToolhiveClient
) -> None:
    source = ToolhiveSource(toolhive_client, None, Wanted(["inspector"], ["default"]))
    for workloads, empty in [([], True), (None, True), ([{"name": 7}], False)]:
        toolhive.workloads = workloads
        observed = await source.workloads()
        assert (observed.workloads, observed.empty, observed.complete) == ([], empty, empty)
    toolhive.workloads = []
    toolhive.add("inspector", image="mcp/inspector:1")
    toolhive.add("other", image="mcp/other:1", group="other")
    observed = await source.workloads()
    assert (observed.workloads, observed.empty, observed.complete) == ([], False, True)
