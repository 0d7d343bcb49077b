"""Logs, groups and the version."""

from typing import Any

import pytest
from loopback_http import Told
from toolhive_server import GROUPS, WORKLOADS, ToolhiveServer

from toolhive_client import ToolhiveClient, ToolhiveUnavailable, WorkloadNotFound

LOGS = f"{WORKLOADS}/notes/logs"


async def test_the_log_of_a_workload_is_plain_text(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.logs["a/b"] = "started\n\nit wörks"
    assert await client.logs("a/b") == "started\n\nit wörks"


@pytest.mark.parametrize("lines", [1000, 1001])
async def test_a_thousand_lines_are_given_the_last_ones(
    client: ToolhiveClient, toolhive: ToolhiveServer, lines: int
) -> None:
    toolhive.logs["notes"] = "\n".join(str(number) for number in range(lines))
    given = (await client.logs("notes")).split("\n")
    assert (len(given), given[-1]) == (1000, str(lines - 1))


async def test_a_log_may_be_empty_or_no_text(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.answer_instead(LOGS, Told(200, b"\xff\x00ok"), times=1)
    assert await client.logs("notes") == "\N{REPLACEMENT CHARACTER}\x00ok"
    toolhive.answer_instead(LOGS, Told(200), times=1)
    assert await client.logs("notes") == ""


async def test_there_is_no_log_of_what_is_not_there(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    with pytest.raises(WorkloadNotFound):
        await client.logs("notes")
    toolhive.fail(LOGS, 400)
    with pytest.raises(ToolhiveUnavailable, match="ToolHive answered 400"):
        await client.logs("notes")


async def test_groups_are_told_by_name(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.groups = ["default", "a/b"]
    assert await client.list_groups() == ("default", "a/b")
    toolhive.groups = None
    assert await client.list_groups() == ()


@pytest.mark.parametrize("item", [7, None, {}, {"name": 7}, {"name": ""}, {"name": "a" * 254}])
async def test_a_group_without_a_name_is_passed_over(
    client: ToolhiveClient, toolhive: ToolhiveServer, item: Any
) -> None:
    toolhive.fail(GROUPS, 200, {"groups": [item, {"name": "default"}, {"name": "default"}]})
    assert await client.list_groups() == ("default",)


@pytest.mark.parametrize("answer", [{}, [], {"groups": {}}])
async def test_what_are_no_groups_is_no_answer(
    client: ToolhiveClient, toolhive: ToolhiveServer, answer: Any
) -> None:
    toolhive.fail(GROUPS, 200, answer)
    with pytest.raises(ToolhiveUnavailable, match="not ToolHive"):
        await client.list_groups()


async def test_the_version_is_told(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    assert await client.get_version() == toolhive.version
