"""What the collector tells of the workloads of a ToolHive, and of what it cannot know of them."""

import asyncio
import logging
from collections.abc import Callable, Generator
from typing import Any

import pytest
from collected_toolhive import IMAGE, UPSTREAM, collected, collector_of, workspace
from counted_waits import under_way, until
from loopback_http import Told, in_json
from made_collectors import state_of, value_of
from structlog.testing import capture_logs
from toolhive_answers import SECRET, listed
from toolhive_server import VERSION, WORKLOADS, ToolhiveServer

from fleet_metadata import CollectionFailed, Reading, ValueType
from fleet_metadata.collection.board import Board
from fleet_metadata.collector import Closing, RemoteCollector
from fleet_metadata.collectors.toolhive import ToolhiveCollector

STATUSES = ("running", "stopped", "error", "starting", "stopping", "unhealthy", "removing", "unknown")
MORE_STATUSES = ("unauthenticated", "auth_retrying", "policy_stopped")


@pytest.fixture
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        yield server


def packages(reading: Reading) -> dict[str, str | None]:
    return {workload["name"]: workload["package"] for workload in reading.values["toolhive_workloads"]}


def test_it_is_a_remote_collector_that_closes_and_has_the_keys_of_the_contract() -> None:
    collector = ToolhiveCollector(workspace())
    assert isinstance(collector, RemoteCollector)
    assert isinstance(collector, Closing)
    assert {key.name: key.type for key in collector.keys} == {
        "toolhive_version": ValueType.STRING,
        "toolhive_workload_count": ValueType.NUMBER,
        "toolhive_running_count": ValueType.NUMBER,
        "toolhive_unhealthy_count": ValueType.NUMBER,
        "toolhive_workloads": ValueType.ARRAY,
    }
    assert [key.name for key in collector.keys if key.in_list] == ["toolhive_unhealthy_count"]
    assert all(len(key.description) <= 256 for key in collector.keys)


@pytest.mark.parametrize("workloads", [None, []])
async def test_a_toolhive_without_workloads_is_told_with_all_keys(
    toolhive: ToolhiveServer, workloads: list[Any] | None
) -> None:
    toolhive.workloads = workloads
    assert await collected(toolhive) == Reading(
        {
            "toolhive_version": "v0.29.1",
            "toolhive_workload_count": 0,
            "toolhive_running_count": 0,
            "toolhive_unhealthy_count": 0,
            "toolhive_workloads": [],
        },
        [],
    )


async def test_workloads_are_told_by_name_with_what_they_are_made_of(toolhive: ToolhiveServer) -> None:
    toolhive.add("plain", image=IMAGE, status="stopped", group="tools")
    toolhive.add("notes", upstream=UPSTREAM)
    reading = await collected(toolhive)
    assert reading.warnings == []
    assert [key.fault(reading.values[key.name]) for key in ToolhiveCollector.keys] == [None] * 5
    proxied = {"transport": "streamable-http", "url": "http://127.0.0.1:20000/mcp"}
    notes = {"name": "notes", "status": "running", "remote": True, "group": "default", "package": UPSTREAM}
    plain = {"name": "plain", "status": "stopped", "remote": False, "group": "tools", "package": IMAGE}
    assert reading.values["toolhive_workloads"] == [notes | proxied, plain | proxied]


async def test_workloads_are_counted_by_how_they_are(toolhive: ToolhiveServer) -> None:
    for status in (*STATUSES, *MORE_STATUSES, "Running", "new"):
        toolhive.add(f"is-{status}", image=IMAGE, status=status)
    values = (await collected(toolhive)).values
    assert values["toolhive_workload_count"] == 13
    assert values["toolhive_running_count"] == 2
    assert values["toolhive_unhealthy_count"] == 4


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (Told(404, b"Workload not found"), "ToolHive has no workload 'lost'"),
        (in_json({"code": "oh", "message": SECRET}, 500), "ToolHive answered 500; look at its log"),
        (Told(0), "broke off (RemoteProtocolError); check that it runs, and TOOLHIVE_URL"),
        (Told(200, SECRET.encode()), "What answers is not ToolHive"),
    ],
)
async def test_a_workload_whose_details_are_lost_leaves_the_others(
    toolhive: ToolhiveServer, told: Told, why: str
) -> None:
    for name in ("found", "lost"):
        toolhive.add(name, upstream=UPSTREAM)
    toolhive.add("plain", image=IMAGE)
    toolhive.answer_instead(f"{WORKLOADS}/lost", told)
    reading = await collected(toolhive)
    assert packages(reading) == {"found": UPSTREAM, "lost": None, "plain": IMAGE}
    assert reading.values["toolhive_workload_count"] == 3
    [warning] = reading.warnings
    assert warning.startswith("the package of lost is not known: ")
    assert why in warning
    assert not warning.endswith(".")
    assert SECRET not in warning


async def test_so_does_one_whose_details_are_too_slow(
    toolhive: ToolhiveServer, skip_ahead: Callable[[float], None]
) -> None:
    for name in ("found", "slow"):
        toolhive.add(name, upstream=UPSTREAM)
    toolhive.seconds[f"{WORKLOADS}/slow"] = 3600
    collecting = asyncio.create_task(collected(toolhive, seconds=5))
    for tries in (1, 2, 3):
        await until(
            lambda tries=tries: (
                (toolhive.asked[f"{WORKLOADS}/slow"], under_way("_details_or_error")) == (tries, 1)
            )
        )
        skip_ahead(5)
    reading = await collecting
    assert packages(reading) == {"found": UPSTREAM, "slow": None}
    assert "gave no whole answer within 5 s" in reading.warnings[0]


async def test_a_version_that_is_not_told_leaves_the_workloads(toolhive: ToolhiveServer) -> None:
    toolhive.add("plain", image=IMAGE)
    toolhive.fail(VERSION)
    reading = await collected(toolhive)
    assert (reading.values["toolhive_version"], reading.values["toolhive_workload_count"]) == (None, 1)
    assert reading.warnings == [
        "toolhive_version is not known: ToolHive answered 500; look at its log",
    ]


async def test_what_cannot_be_read_of_a_listing_is_left_out_and_counted(toolhive: ToolhiveServer) -> None:
    toolhive.workloads = [7, listed("plain", image=IMAGE), {"name": "bad", "url": SECRET, "group": 1}]
    with capture_logs() as logs:
        reading = await collected(toolhive)
    assert packages(reading) == {"plain": IMAGE}
    assert reading.values["toolhive_workload_count"] == 1
    assert reading.warnings == ["left out are 2 workloads that cannot be read; the log has their names"]
    assert [log["names"] for log in logs] == [[None, "bad"]]


async def test_a_listing_that_cannot_be_read_at_all_is_a_failure(toolhive: ToolhiveServer) -> None:
    toolhive.answer_instead(WORKLOADS, Told(200, SECRET.encode()))
    with pytest.raises(CollectionFailed, match="What answers is not ToolHive") as failed:
        await collected(toolhive)
    assert SECRET not in str(failed.value)


async def test_secrets_are_in_no_value_warning_or_line_of_a_log(
    toolhive: ToolhiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in (None, "httpx"):
        caplog.set_level(logging.DEBUG, logger)
    toolhive.add("notes", upstream=UPSTREAM, secrets=True)
    toolhive.add("plain", image=IMAGE, secrets=True, url=f"http://me:{SECRET}@127.0.0.1:9/?token={SECRET}")
    toolhive.add("odd", image=f"https://me:{SECRET}@ghcr.io/a?sig={SECRET}")
    collector = ToolhiveCollector(workspace(toolhive.url.replace("//", f"//me:{SECRET}@")))
    with capture_logs() as logs:
        reading = await collector.collect()
        toolhive.fail("*", body={"code": "oh", "message": SECRET})
        with pytest.raises(CollectionFailed) as failed:
            await collector.collect()
        await collector.close()
    assert packages(reading)["notes"] == f"{UPSTREAM}?api_key=***&sig=***"
    assert "/api/v1beta/workloads" in caplog.text
    assert SECRET not in f"{reading} {logs} {caplog.text} {failed.value!r} {failed.value.__cause__!r}"


@pytest.mark.parametrize(
    "url",
    [f"http://me:{SECRET}@localhost/?a=b", f"http://localhost#{SECRET}", f"http://localhost/{SECRET} b"],
)
async def test_an_address_that_is_none_of_a_server_is_a_failure_that_names_the_setting(url: str) -> None:
    collector = ToolhiveCollector(workspace(url))
    with pytest.raises(CollectionFailed, match="TOOLHIVE_URL is not an http or https URL") as failed:
        await collector.collect()
    await collector.close()
    assert SECRET not in f"{failed.value!r} {failed.value.__cause__!r}"


async def test_of_a_thousand_workloads_those_that_fit_are_told_whole_and_no_others_are_asked_for(
    toolhive: ToolhiveServer,
) -> None:
    bare = {"transport_type": None, "url": None, "group": None, "status": ""}
    names = [f"{number:03}" for number in range(1000)]
    toolhive.workloads = [listed(name, upstream="x://y") | bare for name in names]
    toolhive.details = {name: {"name": name, "url": "x://y"} for name in names}
    board = Board([collector_of(toolhive)])
    answer = await board.read()
    await board.stop()
    assert value_of(answer, "toolhive_workload_count") == 1000
    told = value_of(answer, "toolhive_workloads")
    assert [workload["name"] for workload in told] == names[: len(told)]
    assert 30 < len(told) < 50
    assert {workload["package"] for workload in told} == {"x://y"}
    assert answer.truncated == ["toolhive_workloads"]
    assert state_of(answer, "toolhive")["status"] == "ok"
    assert toolhive.asked.total() == 52
