"""The details of workloads, one by one and many at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from counted_waits import Waits, under_way, until
from structlog.testing import capture_logs
from toolhive_answers import SECRET, detailed
from toolhive_server import WORKLOADS, ToolhiveServer

from toolhive_client import (
    ToolhiveClient,
    ToolhiveTimeout,
    ToolhiveUnavailable,
    WorkloadDetails,
    WorkloadNotFound,
)

URL = "https://notes.example.com/mcp"


async def test_of_a_remote_one_they_tell_what_it_leads_to(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.add("notes", upstream=URL, tools=["add"], group="mine")
    assert await client.get_workload_details("notes") == WorkloadDetails(
        name="notes",
        url=URL,
        transport="streamable-http",
        proxy_mode="streamable-http",
        group="mine",
        tools=("add",),
    )


async def test_of_a_container_they_tell_its_image(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.add("plain", image="mcp/plain:1")
    details = await client.get_workload_details("plain")
    assert (details.image, details.url) == ("mcp/plain:1", None)


async def test_no_secret_of_them_leaves_the_client(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.add("notes", upstream=URL, secrets=True)
    toolhive.add("plain", image=f"user:{SECRET}@ghcr.io/a/b", secrets=True)
    assert str(toolhive.details).count(SECRET) > 30
    with capture_logs() as logs:
        found = await client.get_details_of(["notes", "plain"])
    notes = found["notes"]
    assert isinstance(notes, WorkloadDetails)
    assert notes.url == f"{URL}?api_key=***&sig=***"
    assert SECRET not in f"{found}{logs}"


@pytest.mark.parametrize("name", ["a/b", "a%2Fb", "a b", "a?b#c", "ä", "..a", "%2e%2e", "a" * 253])
async def test_any_name_is_asked_for_as_it_is(
    client: ToolhiveClient, toolhive: ToolhiveServer, name: str
) -> None:
    toolhive.add(name, upstream=URL)
    assert (await client.get_workload_details(name)).name == name


@pytest.mark.parametrize("name", ["", ".", "..", "a" * 254, "a\nb"])
async def test_what_is_no_name_is_not_asked_for(
    client: ToolhiveClient, toolhive: ToolhiveServer, name: str
) -> None:
    with pytest.raises(WorkloadNotFound):
        await client.get_workload_details(name)
    assert not toolhive.asked


async def test_a_workload_that_has_gone_is_not_found(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.add("notes", upstream=URL)
    toolhive.lose("notes")
    with pytest.raises(WorkloadNotFound, match="no workload 'notes'") as refused:
        await client.get_workload_details("notes")
    assert refused.value.name == "notes"
    assert toolhive.asked[f"{WORKLOADS}/notes"] == 1


@pytest.mark.parametrize(
    "answer", [[], None, "text", {"url": 7}, {"tools": [1]}, {"name": "other", "url": URL}, {"image": {}}]
)
async def test_what_are_no_details_of_it_is_no_answer(
    client: ToolhiveClient, toolhive: ToolhiveServer, answer: Any
) -> None:
    toolhive.details["notes"] = answer
    with pytest.raises(ToolhiveUnavailable, match="not ToolHive"):
        await client.get_workload_details("notes")


@pytest.mark.parametrize("answer", [{}, dict.fromkeys(detailed("notes"), None) | {"new": {"a": 1}}])
async def test_fields_of_them_may_be_missing_null_or_new(
    client: ToolhiveClient, toolhive: ToolhiveServer, answer: Any
) -> None:
    toolhive.details["notes"] = answer
    assert await client.get_workload_details("notes") == WorkloadDetails("notes")


async def test_of_many_each_is_told_or_why_not(
    toolhive: ToolhiveServer, waits: Waits, skip_ahead: Callable[[float], None]
) -> None:
    for name in ("good", "gone", "slow", "ill", "strange"):
        toolhive.add(name, upstream=URL)
    toolhive.lose("gone")
    toolhive.seconds[f"{WORKLOADS}/slow"] = 3600
    toolhive.fail(f"{WORKLOADS}/ill", 500, SECRET)
    toolhive.details["strange"] = [SECRET]
    async with ToolhiveClient(toolhive.url, timeout_seconds=10, sleep=waits) as client:
        names = ["good", "gone", "slow", "ill", "strange", "good"]
        asking = asyncio.create_task(client.get_details_of(names))
        for tries in (1, 2, 3):
            await until(
                lambda tries=tries: (
                    (toolhive.asked[f"{WORKLOADS}/slow"], under_way("_details_or_error")) == (tries, 1)
                )
            )
            skip_ahead(10)
        found = await asking
    kinds = [WorkloadDetails, WorkloadNotFound, ToolhiveTimeout, ToolhiveUnavailable, ToolhiveUnavailable]
    assert [type(each) for each in found.values()] == kinds
    assert list(found) == ["good", "gone", "slow", "ill", "strange"]
    assert SECRET not in "".join(map(str, found.values()))


async def test_one_that_is_named_twice_is_asked_for_once(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.add("notes", upstream=URL)
    assert list(await client.get_details_of(["notes", "notes"])) == ["notes"]
    assert toolhive.asked == {f"{WORKLOADS}/notes": 1}


async def test_all_of_them_together_have_their_time(
    toolhive: ToolhiveServer, skip_ahead: Callable[[float], None]
) -> None:
    names = ("good", *(f"slow-{number}" for number in range(10)))
    for name in names:
        toolhive.add(name, upstream=URL)
    toolhive.seconds[f"{WORKLOADS}/slow-*"] = 3600
    async with ToolhiveClient(toolhive.url, timeout_seconds=1200, concurrency=2) as client:
        asking = asyncio.create_task(client.get_details_of(names, within_seconds=600))
        # The third is asked for once the first has been told.
        await until(lambda: toolhive.asked.total() == 3)
        skip_ahead(600)
        found = await asyncio.wait_for(asking, 30)
    assert [type(each) for each in found.values()] == [WorkloadDetails, *[ToolhiveTimeout] * 10]
    assert {"for all the details" in str(each) for each in found.values()} == {False, True}


async def test_of_none_nothing_is_asked(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    assert await client.get_details_of([]) == {}
    assert not toolhive.asked


@pytest.mark.parametrize(("bounds", "most"), [({"concurrency": 7}, 7), ({}, 50)])
async def test_so_many_are_asked_for_at_once_and_no_more(
    toolhive: ToolhiveServer, bounds: dict[str, Any], most: int
) -> None:
    names = [f"notes-{number}" for number in range(most + 10)]
    for name in names:
        toolhive.add(name, upstream=URL)
    toolhive.together = most
    toolhive.seconds[f"{WORKLOADS}/*"] = 0.2
    async with ToolhiveClient(toolhive.url, timeout_seconds=30, **bounds) as client:
        found = await client.get_details_of(names)
    assert all(isinstance(each, WorkloadDetails) for each in found.values())
    assert list(found) == names
    assert toolhive.most_at_once == most
