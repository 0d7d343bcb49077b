"""What is told of a branch's pull request, by a GitHub at the wire."""

from typing import Any

import pytest
from collected_github import NOTHING, collected
from fake_github import FakeGitHub
from forge_workspace import SECRET, checked_out, workspace
from github_answers import (
    branch_of,
    check_run,
    closed,
    combined_status,
    merged,
    pull,
    repository,
    review,
    team,
    user,
)

from fleet_metadata.collector import Closing, Reading, RemoteCollector
from fleet_metadata.collectors.forges import GitHubCollector

pytestmark = pytest.mark.usefixtures("github_wire")


@pytest.fixture
def github() -> FakeGitHub:
    return FakeGitHub({"octo/cat": repository("octo/cat")})


async def test_all_is_told_of_an_open_pull_request(github: FakeGitHub) -> None:
    github.pulls = [pull(7, draft=True)]
    github.reviews = [review("hubot", "APPROVED")]
    github.runs = [check_run()]
    github.status = combined_status("pending", 1)
    reading = await collected(github_token=SECRET)
    assert reading.values == {
        "github_repo_name": "octo/cat",
        "github_pr_number": 7,
        "github_pr_status": "open",
        "github_pr_title": "Change 7",
        "github_pr_url": "https://github.com/octo/cat/pull/7",
        "github_pr_draft": True,
        "github_review_decision": "approved",
        "github_checks_status": "pending",
    }
    assert reading.warnings == []
    assert not [
        key.fault(reading.values[key.name])
        for key in GitHubCollector.keys
        if key.fault(reading.values[key.name])
    ]
    assert {headers["authorization"] for headers in github.headers} == {f"Bearer {SECRET}"}
    assert {headers["accept"] for headers in github.headers} == {"application/vnd.github+json"}


async def test_it_is_a_remote_collector_that_closes() -> None:
    collector = GitHubCollector(workspace(checked_out()))
    assert isinstance(collector, RemoteCollector)
    assert isinstance(collector, Closing)
    assert [key.name for key in collector.keys if key.in_list] == ["github_pr_number"]
    assert all(
        key.name.startswith(collector.prefix) and len(key.description) <= 256 for key in collector.keys
    )
    await collector.close()


async def test_without_a_token_it_asks_without_one_and_seldom(github: FakeGitHub) -> None:
    await collected()
    assert not any("authorization" in headers for headers in github.headers)
    seconds = {
        (token, told_to): GitHubCollector(
            workspace(checked_out(), github_token=token, metadata_refresh_seconds=told_to)
        ).refresh_seconds
        for token in (None, "  ", SECRET)
        for told_to in (5, 600)
    }
    assert seconds == {
        (None, 5): 360,
        (None, 600): 600,
        ("  ", 5): 360,
        ("  ", 600): 600,
        (SECRET, 5): 5,
        (SECRET, 600): 600,
    }


@pytest.mark.parametrize(("told_of", "status"), [({}, "open"), (closed(), "closed"), (merged(), "merged")])
async def test_a_pull_request_is_open_closed_or_merged(
    github: FakeGitHub, told_of: dict[str, Any], status: str
) -> None:
    github.pulls = [pull(**told_of)]
    assert (await collected()).values["github_pr_status"] == status


@pytest.mark.parametrize(
    ("pulls", "number"),
    [
        ([pull(1), pull(2)], 2),
        ([pull(1), pull(2, **merged())], 1),
        ([pull(3, **closed()), pull(1), pull(2), pull(4, **merged())], 2),
        ([pull(1, **merged()), pull(3, **closed()), pull(2, **merged())], 3),
    ],
)
async def test_of_several_the_newest_open_one_counts_else_the_newest(
    github: FakeGitHub, pulls: list[dict[str, Any]], number: int
) -> None:
    github.pulls = pulls
    assert (await collected()).values["github_pr_number"] == number


async def test_no_pull_request_is_no_error(github: FakeGitHub) -> None:
    assert await collected() == Reading(NOTHING | {"github_repo_name": "octo/cat"})
    assert github.asked == ["/repos/octo/cat/pulls", "/repos/octo/cat"]


async def test_a_detached_head_has_none_and_nothing_is_asked(github: FakeGitHub) -> None:
    assert await collected(branch=None) == Reading(NOTHING | {"github_repo_name": "octo/cat"})
    assert github.asked == []


@pytest.mark.parametrize(
    "branch", ["a/b/c", "fix#12", "c++", "with space", "ünïcode✓", "100%2F", "a&b=c", "a:b"]
)
async def test_a_branch_may_have_any_name(github: FakeGitHub, branch: str) -> None:
    github.pulls = [pull(7, head=branch_of("octo/cat", branch)), pull(8)]
    assert (await collected(branch=branch)).values["github_pr_number"] == 7


async def test_a_team_that_is_asked_for_a_review_is_somebody(github: FakeGitHub) -> None:
    github.pulls = [pull(7, requested_teams=[team()])]
    assert (await collected()).values["github_review_decision"] == "review_required"
    github.pulls = [pull(7, requested_reviewers=[user("hubot")])]
    assert (await collected()).values["github_review_decision"] == "review_required"
    github.reviews = [review("other", "APPROVED")]
    assert (await collected()).values["github_review_decision"] == "approved"
