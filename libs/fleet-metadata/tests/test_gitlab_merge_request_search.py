"""Where a merge request is found: in the project, and in the one that it is a fork of."""

from typing import Any

import pytest
from collected_gitlab import collected
from fake_gitlab import FakeGitLab, told
from forge_workspace import checked_out, workspace
from gitlab_answers import merge_request, pipeline, project
from small_server import Told

from fleet_metadata.collectors.forges import GitLabCollector

UP = project(1, "group/app")
FORK = project(2, "me/app", parent=UP)
FORK_ORIGIN = "git@gitlab.com:me/app.git"


pytestmark = pytest.mark.usefixtures("gitlab_wire")


@pytest.fixture
def gitlab() -> FakeGitLab:
    return FakeGitLab([UP, FORK])


async def number(**of: Any) -> int | None:
    return (await collected(**of)).values["gitlab_mr_number"]


async def test_a_fork_with_a_branch_of_that_name_is_another(gitlab: FakeGitLab) -> None:
    gitlab.requests = [merge_request(9, source=2), merge_request(8, source=None)]
    assert await number() is None
    gitlab.requests.append(merge_request(7))
    assert await number() == 7


async def test_an_api_that_gives_those_of_all_branches_gives_no_wrong_one(gitlab: FakeGitLab) -> None:
    gitlab.instead["/projects/group%2Fapp/merge_requests"] = told([merge_request(8, branch="feat/on")])
    assert await number() is None


async def test_the_merge_request_of_a_fork_is_in_its_parent(gitlab: FakeGitLab) -> None:
    gitlab.requests = [merge_request(7, source=2), merge_request(8), merge_request(9, source=3)]
    gitlab.of_request = pipeline("canceled")
    reading = await collected(origin=FORK_ORIGIN)
    assert reading.values["gitlab_mr_number"] == 7
    assert reading.values["gitlab_project"] == "me/app"
    assert reading.values["gitlab_pipeline_status"] == "canceled"


async def test_one_within_the_fork_comes_before_one_in_its_parent(gitlab: FakeGitLab) -> None:
    gitlab.requests = [merge_request(7, source=2), merge_request(3, source=2, target=2, state="closed")]
    assert await number(origin=FORK_ORIGIN) == 3


async def test_where_the_parent_is_named_those_of_the_remotes_project_count(gitlab: FakeGitLab) -> None:
    gitlab.requests = [merge_request(7, source=2), merge_request(8)]
    assert await number(origin=FORK_ORIGIN, gitlab_project="group/app") == 7
    assert await number(gitlab_project="group/app") == 8
    gitlab.requests, gitlab.of_branch["me/app"] = [], [pipeline("skipped")]
    reading = await collected(origin=FORK_ORIGIN, gitlab_project="group/app")
    assert reading.values["gitlab_pipeline_status"] == "skipped"


async def test_what_a_project_is_is_asked_once_for_each_branch(gitlab: FakeGitLab) -> None:
    collector = GitLabCollector(workspace(checked_out(origin=FORK_ORIGIN)))
    for _ in range(3):
        await collector.collect()
    await collector.close()
    assert gitlab.asked.count("/projects/me%2Fapp") == 1
    assert gitlab.asked.count("/projects/1/merge_requests") == 3


@pytest.mark.parametrize("status", [403, 404])
async def test_a_parent_that_is_not_to_be_seen_is_as_good_as_none(gitlab: FakeGitLab, status: int) -> None:
    gitlab.instead["/projects/1/merge_requests"] = told({"message": "no"}, status)
    assert await number(origin=FORK_ORIGIN) is None


@pytest.mark.parametrize(("others", "found"), [(99, True), (299, True), (300, False)])
async def test_merge_requests_of_many_forks_are_read_up_to_the_third_page(
    gitlab: FakeGitLab, others: int, found: bool
) -> None:
    gitlab.requests = [
        *(merge_request(1000 + each, source=9) for each in range(others)),
        merge_request(3, source=2),
    ]
    assert await number(origin=FORK_ORIGIN) == (3 if found else None)


async def test_a_project_with_a_new_name_is_followed(gitlab: FakeGitLab) -> None:
    gitlab.requests = [merge_request(7)]
    query = "source_branch=feat%2Fone&state=all&per_page=100"
    gitlab.instead["/projects/group%2Fold/merge_requests"] = Told(
        b"", 301, {"Location": f"https://gitlab.com/api/v4/projects/1/merge_requests?{query}"}
    )
    assert await number(origin="git@gitlab.com:group/old.git") == 7
