"""What is told of a branch's merge request and pipeline, by a GitLab at the wire."""

from typing import Any

import pytest
from collected_gitlab import NOTHING, collected
from fake_gitlab import FakeGitLab
from forge_workspace import SECRET, checked_out, workspace
from gitlab_answers import merge_request, pipeline, project

from fleet_metadata.collector import Closing, Reading, RemoteCollector
from fleet_metadata.collectors.forges import GitLabCollector
from fleet_metadata.collectors.forges.pipeline import PIPELINE_STATUSES

UP = project(1, "group/app")
FORK = project(2, "me/app", parent=UP)


pytestmark = pytest.mark.usefixtures("gitlab_wire")


@pytest.fixture
def gitlab() -> FakeGitLab:
    return FakeGitLab([UP, FORK])


async def number(**of: Any) -> int | None:
    return (await collected(**of)).values["gitlab_mr_number"]


async def test_all_is_told_of_an_open_merge_request(gitlab: FakeGitLab) -> None:
    gitlab.requests, gitlab.of_request = [merge_request(7)], pipeline("running")
    reading = await collected(gitlab_token=SECRET)
    assert reading == Reading(
        {
            "gitlab_project": "group/app",
            "gitlab_mr_number": 7,
            "gitlab_mr_status": "open",
            "gitlab_mr_title": "Change 7",
            "gitlab_mr_url": "https://gitlab.com/group/app/-/merge_requests/7",
            "gitlab_pipeline_status": "running",
        },
        [],
    )
    assert not any(key.fault(reading.values[key.name]) for key in GitLabCollector.keys)
    assert {headers["private-token"] for headers in gitlab.headers} == {SECRET}
    assert gitlab.asked == ["/projects/group%2Fapp/merge_requests", "/projects/1/merge_requests/7"]


async def test_it_is_a_remote_collector_that_closes() -> None:
    collector = GitLabCollector(workspace(checked_out(), metadata_refresh_seconds=9))
    assert isinstance(collector, RemoteCollector)
    assert isinstance(collector, Closing)
    assert collector.refresh_seconds == 9
    assert [key.name for key in collector.keys if key.in_list] == ["gitlab_mr_number"]
    assert all(
        key.name.startswith(collector.prefix) and len(key.description) <= 256 for key in collector.keys
    )
    await collector.close()


@pytest.mark.parametrize(
    ("state", "status"), [("opened", "open"), ("locked", "open"), ("closed", "closed"), ("merged", "merged")]
)
async def test_a_merge_request_is_open_closed_or_merged(gitlab: FakeGitLab, state: str, status: str) -> None:
    gitlab.requests = [merge_request(state=state)]
    assert (await collected()).values["gitlab_mr_status"] == status


@pytest.mark.parametrize(
    ("requests", "number_told"),
    [
        ([merge_request(1), merge_request(2)], 2),
        ([merge_request(1), merge_request(2, state="merged")], 1),
        ([merge_request(1, state="merged"), merge_request(3, state="closed"), merge_request(2)], 2),
        ([merge_request(1, state="merged"), merge_request(3, state="closed")], 3),
    ],
)
async def test_of_several_the_newest_open_one_counts_else_the_newest(
    gitlab: FakeGitLab, requests: list[dict[str, Any]], number_told: int
) -> None:
    gitlab.requests = requests
    assert await number() == number_told


async def test_no_merge_request_is_no_error_and_the_branch_has_a_pipeline(gitlab: FakeGitLab) -> None:
    assert await collected() == Reading(NOTHING | {"gitlab_project": "group/app"}, [])
    gitlab.of_branch["group/app"] = [pipeline("failed", 9), pipeline("success", 8)]
    reading = await collected()
    assert reading.values == NOTHING | {"gitlab_project": "group/app", "gitlab_pipeline_status": "failed"}


async def test_a_merge_request_without_a_pipeline_has_none(gitlab: FakeGitLab) -> None:
    gitlab.requests, gitlab.of_branch["group/app"] = [merge_request()], [pipeline("failed")]
    assert (await collected()).values["gitlab_pipeline_status"] is None


async def test_a_detached_head_has_none_and_nothing_is_asked(gitlab: FakeGitLab) -> None:
    assert await collected(branch=None) == Reading(NOTHING | {"gitlab_project": "group/app"})
    assert gitlab.asked == []


@pytest.mark.parametrize("branch", ["a/b", "fix#12", "c++", "with space", "ünïcode✓", "100%2F", "a&b=c"])
async def test_a_branch_may_have_any_name(gitlab: FakeGitLab, branch: str) -> None:
    gitlab.requests = [merge_request(7, branch=branch), merge_request(8)]
    assert await number(branch=branch) == 7
    gitlab.requests, gitlab.of_branch["group/app"] = [], [pipeline("manual", ref=branch)]
    assert (await collected(branch=branch)).values["gitlab_pipeline_status"] == "manual"


@pytest.mark.parametrize("status", PIPELINE_STATUSES)
async def test_a_pipeline_is_told_in_gitlabs_words(gitlab: FakeGitLab, status: str) -> None:
    gitlab.requests, gitlab.of_request = [merge_request()], pipeline(status)
    assert (await collected()).values["gitlab_pipeline_status"] == status
