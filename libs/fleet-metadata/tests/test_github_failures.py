"""What is left when GitHub answers a part of the questions, or answers strangely."""

from typing import Any

import pytest
from collected_github import NOTHING, collected, failure
from fake_github import FakeGitHub, told
from forge_workspace import SECRET
from github_answers import (
    check_run,
    error,
    pull,
    repository,
    review,
)
from small_server import Told

pytestmark = pytest.mark.usefixtures("github_wire")


@pytest.fixture
def github() -> FakeGitHub:
    return FakeGitHub({"octo/cat": repository("octo/cat")})


async def test_reviews_that_are_refused_leave_the_rest(github: FakeGitHub) -> None:
    github.pulls, github.runs = [pull(7)], [check_run()]
    github.instead["/repos/octo/cat/pulls/7/reviews"] = told(error("Resource not accessible", 403), 403)
    reading = await collected(github_token=SECRET)
    assert reading.values["github_review_decision"] is None
    assert reading.values["github_checks_status"] == "success"
    [warning] = reading.warnings
    assert "github_review_decision is not known: GitHub (api.github.com) answered 403" in warning
    assert "GITHUB_TOKEN" in warning


@pytest.mark.parametrize("part", ["check-runs", "status"])
@pytest.mark.parametrize("status", [403, 404])
async def test_checks_that_are_refused_leave_the_rest(github: FakeGitHub, part: str, status: int) -> None:
    github.pulls, github.runs, github.reviews = [pull(7)], [check_run()], [review("a", "APPROVED")]
    [head] = [github.pulls[0]["head"]["sha"]]
    github.instead[f"/repos/octo/cat/commits/{head}/{part}"] = told(error("No", status), status)
    reading = await collected()
    assert (reading.values["github_review_decision"], reading.values["github_checks_status"]) == (
        "approved",
        None,
    )
    assert [warning.partition(" is not")[0] for warning in reading.warnings] == ["github_checks_status"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (told(error("Too many", 429), 429, **{"Retry-After": "60"}), "rate limited until"),
        (told(error("API rate limit", 403), 403, **{"X-RateLimit-Remaining": "0"}), "rate limited until"),
        (told(error("Bad credentials", 401), 401), "answered 401"),
        (told(error("Oh", 502), 502), "answered 502"),
        (told({}), "no answer of GitHub's API"),
        (Told(b"<html>", 200), "no answer of GitHub's API"),
    ],
)
@pytest.mark.parametrize(
    "part", ["pulls", "pulls/7/reviews", "commits/{sha}/check-runs", "commits/{sha}/status"]
)
async def test_any_other_failure_of_a_part_is_one_of_the_whole(
    github: FakeGitHub, part: str, answer: Told, words: str
) -> None:
    github.pulls = [pull(7)]
    part = part.format(sha=github.pulls[0]["head"]["sha"])
    github.instead[f"/repos/octo/cat/{part}"] = answer
    assert words in await failure(github_token=SECRET)


@pytest.mark.parametrize(
    "told_of",
    [
        {"number": None},
        {"number": "x"},
        {"state": "open?"},
        {"state": None},
        {"head": None},
        {"head": {"ref": "feat/one"}},
        {"title": 5},
        {"merged_at": "yesterday"},
    ],
)
async def test_a_pull_request_of_another_shape_is_a_failure(
    github: FakeGitHub, told_of: dict[str, Any]
) -> None:
    github.instead["/repos/octo/cat/pulls"] = told([pull(7) | told_of])
    assert "no answer of GitHub's API" in await failure()


async def test_a_pull_request_of_which_little_is_told_is_told_as_far_as_it_is(github: FakeGitHub) -> None:
    little = {
        "number": 7,
        "state": "open",
        "head": {"ref": "feat/one", "sha": "x/../y", "label": "octo:feat/one"},
    }
    github.instead["/repos/octo/cat/pulls"] = told([little])
    github.instead["/repos/octo/cat/commits/x/../y/check-runs"] = told({"check_runs": []})
    github.instead["/repos/octo/cat/commits/x/../y/status"] = told({"state": "pending", "total_count": 0})
    reading = await collected()
    assert reading.values == NOTHING | {
        "github_repo_name": "octo/cat",
        "github_pr_number": 7,
        "github_pr_status": "open",
    }
    assert not reading.warnings


@pytest.mark.parametrize("token", [None, SECRET])
async def test_a_repository_that_is_not_to_be_seen_is_a_failure(token: str | None) -> None:
    text = await failure(origin="https://github.com/octo/dog", github_token=token)
    assert text.startswith("no such repository or no access: octo/dog")
    assert ("set GITHUB_TOKEN" in text) is (token is None)
