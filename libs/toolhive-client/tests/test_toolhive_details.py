"""The details of workloads, one by one and many at once."""

from time import perf_counter
from typing import Any

import pytest
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


async def test_of_many_each_is_told_or_why_not(toolhive: ToolhiveServer) -> None:
    for name in ("good", "gone", "slow", "ill", "strange"):
        toolhive.add(name, upstream=URL)
    toolhive.lose("gone")
    toolhive.seconds[f"{WORKLOADS}/slow"] = 30
    toolhive.fail(f"{WORKLOADS}/ill", 500, SECRET)
    toolhive.details["strange"] = [SECRET]
    async with ToolhiveClient(toolhive.url, timeout_seconds=0.5) as client:
        found = await client.get_details_of(["good", "gone", "slow", "ill", "strange", "good"])
    kinds = [WorkloadDetails, WorkloadNotFound, ToolhiveTimeout, ToolhiveUnavailable, ToolhiveUnavailable]
    assert [type(each) for each in found.values()] == kinds
    assert list(found) == ["good", "gone", "slow", "ill", "strange"]
    assert toolhive.asked[f"{WORKLOADS}/good"] == 1
    assert SECRET not in "".join(map(str, found.values()))


async def test_all_of_them_together_have_their_time(toolhive: ToolhiveServer) -> None:
    names = ("good", *(f"slow-{number}" for number in range(10)))
    for name in names:
        toolhive.add(name, upstream=URL)
    toolhive.seconds[f"{WORKLOADS}/slow-*"] = 30
    async with ToolhiveClient(toolhive.url, concurrency=2) as client:
        found = await client.get_details_of(names, within_seconds=0.5)
    assert [type(each) for each in found.values()] == [WorkloadDetails, *[ToolhiveTimeout] * 10]
    assert {"for all the details" in str(each) for each in found.values()} == {False, True}


async def test_of_none_nothing_is_asked(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    assert await client.get_details_of([]) == {}
    assert not toolhive.asked


async def test_so_many_are_asked_for_at_once_and_no_more(toolhive: ToolhiveServer) -> None:
    names = [f"notes-{number}" for number in range(20)]
    for name in names:
        toolhive.add(name, upstream=URL)
    toolhive.seconds[f"{WORKLOADS}/*"] = 0.2
    async with ToolhiveClient(toolhive.url, concurrency=7) as client:
        found = await client.get_details_of(names)
    assert all(isinstance(each, WorkloadDetails) for each in found.values())
    assert toolhive.most_at_once == 7


async def test_fifty_that_take_fifty_milliseconds_each_take_far_less_than_one_after_the_other(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    names = [f"notes-{number}" for number in range(50)]
    for name in names:
        toolhive.add(name, upstream=URL)
    toolhive.seconds[f"{WORKLOADS}/*"] = 0.05
    started = perf_counter()
    found = await client.get_details_of(names)
    # A tenth of a second where nothing else runs; one after the other they take two and a half.
    assert perf_counter() - started < 1
    assert list(found) == names
