"""The list of workloads: what is read of it, and what is not."""

from typing import Any

import pytest
from structlog.testing import capture_logs
from toolhive_answers import SECRET, listed
from toolhive_server import WORKLOADS, ToolhiveServer

from toolhive_client import Listing, ToolhiveClient, ToolhiveError, ToolhiveUnavailable, Workload
from toolhive_client.reading.workloads import MOST_WORKLOADS

IMAGE = "ghcr.io/example/plain:1.0"


async def listed_as(client: ToolhiveClient, toolhive: ToolhiveServer, item: Any) -> Workload:
    toolhive.workloads = [item]
    [workload] = (await client.list_workloads()).workloads
    return workload


async def test_a_container_is_told_of_with_its_image(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.add("plain", image=IMAGE, status="stopped", tools=["one", "two"], transport_type="stdio")
    assert await client.list_workloads() == Listing(
        (
            Workload(
                name="plain",
                status="stopped",
                transport="stdio",
                proxy_mode="streamable-http",
                url="http://127.0.0.1:20000/mcp",
                image=IMAGE,
                group="default",
                tools=("one", "two"),
            ),
        )
    )


async def test_a_remote_one_is_told_of_without_what_it_leads_to(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.add("notes", upstream="https://notes.example.com/mcp", package="remote-server")
    [workload] = (await client.list_workloads()).workloads
    assert (workload.remote, workload.image, workload.upstream_url) == (True, None, None)


async def test_all_are_asked_for_unless_only_those_that_run_are(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.add("runs", image=IMAGE)
    toolhive.add("stopped", image=IMAGE, status="stopped")
    assert len((await client.list_workloads()).workloads) == 2
    assert [workload.name for workload in (await client.list_workloads(all=False)).workloads] == ["runs"]
    assert toolhive.targets == [f"{WORKLOADS}?all=true", WORKLOADS]


async def test_those_of_one_group_are_told_of(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.groups = ["default", "a&b"]
    toolhive.add("one", image=IMAGE)
    toolhive.add("other", image=IMAGE, group="a&b")
    assert [workload.name for workload in (await client.list_workloads(group="a&b")).workloads] == ["other"]
    with pytest.raises(
        ToolhiveError, match=r"no group 'none'; see which ones list_groups\(\) has"
    ) as refused:
        await client.list_workloads(group="none")
    assert not isinstance(refused.value, ToolhiveUnavailable)


@pytest.mark.parametrize("workloads", [None, []])
async def test_null_is_an_empty_list(
    client: ToolhiveClient, toolhive: ToolhiveServer, workloads: list[Any] | None
) -> None:
    toolhive.workloads = workloads
    assert await client.list_workloads() == Listing(())


@pytest.mark.parametrize(
    "body", [{}, [], None, 1, {"workloads": {}}, {"workloads": "none"}, {"error": SECRET}, {"items": []}]
)
async def test_what_is_no_list_of_workloads_is_no_empty_list(
    client: ToolhiveClient, toolhive: ToolhiveServer, body: Any
) -> None:
    toolhive.fail(WORKLOADS, 200, body)
    with pytest.raises(ToolhiveUnavailable, match=r"not ToolHive.*check TOOLHIVE_URL") as refused:
        await client.list_workloads()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (17, None),
        (None, None),
        ({}, None),
        ({"name": None}, None),
        ({"name": 7}, None),
        ({"name": ""}, None),
        ({"name": ".."}, None),
        ({"name": "a\nb"}, None),
        ({"name": "a" * 254}, None),
        ({"name": "bad", "status": 7}, "bad"),
        ({"name": "bad", "url": [SECRET]}, "bad"),
        ({"name": "bad", "remote": "yes"}, "bad"),
        ({"name": "bad", "tools": SECRET}, "bad"),
        ({"name": "bad", "tools": [SECRET, 1]}, "bad"),
        (listed("good", image="other"), "good"),
    ],
)
async def test_an_item_that_cannot_be_read_is_counted_and_logged_by_its_name(
    client: ToolhiveClient, toolhive: ToolhiveServer, item: Any, name: str | None
) -> None:
    toolhive.workloads = [listed("good", image=IMAGE), item, listed("better", image=IMAGE)]
    with capture_logs() as logs:
        listing = await client.list_workloads()
    assert [workload.name for workload in listing.workloads] == ["good", "better"]
    assert listing.workloads[0].image == IMAGE
    assert listing.unreadable == 1
    [log] = logs
    assert (log["event"], log["names"], log["positions"]) == ("toolhive_items_unreadable", [name], [1])
    assert SECRET not in str(logs)


async def test_of_many_that_cannot_be_read_ten_are_named(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.workloads = [{"name": f"bad-{number}", "url": 1} for number in range(11)]
    with capture_logs() as logs:
        assert await client.list_workloads() == Listing((), 11)
    [log] = logs
    assert (log["what"], log["number"], len(log["names"])) == ("workloads", 11, 10)
    assert log["positions"] == list(range(10))


async def test_fields_that_are_missing_null_or_new_are_borne(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    assert await listed_as(client, toolhive, {"name": "bare"}) == Workload("bare")
    nothing = dict.fromkeys(listed("bare"), None) | {"name": "bare", "novelty": {"any": [1]}}
    assert await listed_as(client, toolhive, nothing) == Workload("bare")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("running", "running"),
        ("Auth_Retrying", "auth_retrying"),
        ("never seen before", "never seen before"),
        ("", "unknown"),
        ("A" * 64, "a" * 64),
        ("a" * 65, "unknown"),
        ("a\x00", "unknown"),
    ],
)
async def test_a_status_is_kept_in_lower_case(
    client: ToolhiveClient, toolhive: ToolhiveServer, told: str, status: str
) -> None:
    assert (await listed_as(client, toolhive, listed("plain", status=told))).status == status


async def test_texts_are_of_bounded_length_and_can_be_seen(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    tools = ["a" * 253, "a" * 254, "", "a\x00", "b", "b"]
    item = listed("a" * 253, tools=tools, group="g" * 254, transport_type="t" * 65, proxy_mode="")
    workload = await listed_as(client, toolhive, item)
    assert (workload.name, workload.tools) == ("a" * 253, ("a" * 253, "b"))
    assert (workload.group, workload.transport, workload.proxy_mode) == (None, None, None)
    many = await listed_as(client, toolhive, listed("many", tools=[str(number) for number in range(1001)]))
    assert len(many.tools) == 1000


async def test_no_secret_is_listed(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.add(
        "plain",
        image=f"user:{SECRET}@ghcr.io/a/b",
        url=f"http://user:{SECRET}@127.0.0.1:9/sse?token={SECRET}#{SECRET}",
        secrets=True,
    )
    with capture_logs() as logs:
        listing = await client.list_workloads()
    assert (listing.workloads[0].url, listing.workloads[0].image) == (
        "http://127.0.0.1:9/sse?token=***",
        None,
    )
    assert SECRET not in f"{listing}{logs}"


@pytest.mark.parametrize("number", [MOST_WORKLOADS, MOST_WORKLOADS + 1])
async def test_there_is_a_bound_to_how_many_are_taken_in(
    client: ToolhiveClient, toolhive: ToolhiveServer, number: int
) -> None:
    toolhive.workloads = [{"name": f"notes-{count}"} for count in range(number)]
    if number > MOST_WORKLOADS:
        with pytest.raises(ToolhiveUnavailable):
            await client.list_workloads()
    else:
        assert len((await client.list_workloads()).workloads) == number
