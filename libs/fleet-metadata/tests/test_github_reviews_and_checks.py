"""What reviews and checks come to, against plain oracles."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import httpx
import pytest
import respx
from forge_workspace import checked_out, workspace
from github_answers import SHA, check_run, check_runs, combined_status, pull, review
from hypothesis import given
from hypothesis import strategies as st

from fleet_metadata.collectors.forges import GitHubCollector
from fleet_metadata.collectors.forges.checks import CheckRun, CombinedStatus, outcome
from fleet_metadata.collectors.forges.reviews import Review, decision

REPO = "https://api.github.com/repos/octo/cat"
STATES = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED", "COMMENTED", "PENDING")
ASSOCIATIONS = (
    *("OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR", "FIRST_TIMER", "MANNEQUIN"),
    "NONE",
)
CONCLUSIONS = (
    *("success", "neutral", "skipped", "failure", "timed_out", "cancelled", "action_required"),
    *("startup_failure", "stale", "unheard-of"),
)
BAD = {"failure", "timed_out", "cancelled", "action_required", "startup_failure"}


def decided(*reviews: dict[str, Any], asked: bool = False) -> str | None:
    return decision([Review.model_validate(each) for each in reviews], asked=asked)


def came_to(*runs: dict[str, Any], status: dict[str, Any] | None = None) -> str | None:
    combined = CombinedStatus.model_validate(status or combined_status())
    return outcome([CheckRun.model_validate(run) for run in runs], combined)


@pytest.mark.parametrize(
    ("reviews", "result"),
    [
        ([], None),
        ([review("a", "APPROVED")], "approved"),
        ([review("a", "APPROVED"), review("a", "COMMENTED")], "approved"),
        ([review("a", "APPROVED"), review("a", "DISMISSED")], None),
        ([review("a", "CHANGES_REQUESTED"), review("a", "APPROVED")], "approved"),
        ([review("a", "APPROVED"), review("a", "CHANGES_REQUESTED")], "changes_requested"),
        ([review("a", "CHANGES_REQUESTED"), review("b", "APPROVED")], "changes_requested"),
        ([review("a", "CHANGES_REQUESTED"), review("a", "DISMISSED"), review("b", "APPROVED")], "approved"),
        ([review("a", "APPROVED", "CONTRIBUTOR"), review("b", "CHANGES_REQUESTED", "NONE")], None),
        ([review("a", "COMMENTED"), review("b", "PENDING")], None),
        ([review(None, "APPROVED", "NONE")], None),
    ],
)
def test_the_last_verdict_of_each_reviewer_counts(reviews: list[dict[str, Any]], result: str | None) -> None:
    assert decided(*reviews) == result
    assert decided(*reviews, asked=True) == (result or "review_required")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(STATES), st.sampled_from(ASSOCIATIONS))),
    st.booleans(),
)
def test_the_decision_is_that_of_a_plain_count(
    given_reviews: Sequence[tuple[str, str, str]], asked: bool
) -> None:
    standing: set[str] = set()
    for login in "abc":
        # From the last one back, to the first that decides.
        for who, state, association in reversed(given_reviews):
            if who == login and association in ASSOCIATIONS[:3] and state in STATES[:3]:
                standing.add(state)
                break
    expected = "review_required" if asked else None
    if "APPROVED" in standing:
        expected = "approved"
    if "CHANGES_REQUESTED" in standing:
        expected = "changes_requested"
    assert decided(*(review(*each) for each in given_reviews), asked=asked) == expected


@pytest.mark.parametrize(
    ("runs", "status", "result"),
    [
        ([], combined_status("pending", 0), None),
        ([], combined_status("pending", 1), "pending"),
        ([], combined_status("success", 1), "success"),
        ([], combined_status("failure", 2), "failure"),
        ([], combined_status("error", 1), "failure"),
        ([check_run()], combined_status("pending", 0), "success"),
        ([check_run()], combined_status("pending", 1), "pending"),
        ([check_run()], combined_status("failure", 1), "failure"),
        ([check_run(conclusion="skipped"), check_run(conclusion="neutral")], None, "success"),
        ([check_run("queued", None), check_run()], None, "pending"),
        ([check_run("in_progress", None), check_run(conclusion="timed_out")], None, "failure"),
        ([check_run(conclusion="stale")], None, "pending"),
        ([check_run("completed", None)], None, "pending"),
    ],
)
def test_a_failure_comes_before_what_is_pending_and_that_before_a_success(
    runs: list[dict[str, Any]], status: dict[str, Any] | None, result: str | None
) -> None:
    assert came_to(*runs, status=status) == result


@given(
    st.lists(
        st.tuples(st.just("completed"), st.sampled_from(CONCLUSIONS))
        | st.tuples(st.sampled_from(("queued", "in_progress", "waiting", "requested", "pending")), st.none())
    ),
    st.sampled_from([("pending", 0), ("pending", 2), ("success", 1), ("failure", 3), ("error", 1)]),
)
def test_the_outcome_is_that_of_a_plain_count(
    runs: Sequence[tuple[str, str | None]], status: tuple[str, int]
) -> None:
    state, contexts = status
    failed = any(conclusion in BAD for _, conclusion in runs) or state in {"failure", "error"}
    passed = all(conclusion in {"success", "neutral", "skipped"} for _, conclusion in runs)
    if failed:
        expected = "failure"
    elif not runs and not contexts:
        expected = None
    elif passed and (state == "success" or not contexts):
        expected = "success"
    else:
        expected = "pending"
    assert came_to(*(check_run(*run) for run in runs), status=combined_status(state, contexts)) == expected


@pytest.fixture
async def pages() -> AsyncGenerator[respx.MockRouter]:
    """A pull request, with pages of reviews and check runs that follow each other without end."""
    with respx.mock() as mocked:
        mocked.get(f"{REPO}/pulls").respond(json=[pull(7)])
        mocked.get(f"{REPO}/commits/{SHA}/status").respond(json=combined_status())
        yield mocked


def _answers(last: int, page: Any, last_page: Any) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", "1"))
        following = request.url.copy_set_param("page", number + 1)
        link = {"Link": f'<{following}>; rel="next"'} if number < last else {}
        return httpx.Response(200, json=last_page if number == last else page, headers=link)

    return answer


@pytest.mark.parametrize(("last", "counts"), [(1, True), (10, True), (11, False)])
async def test_reviews_and_check_runs_are_read_up_to_the_tenth_page(
    pages: respx.MockRouter, last: int, counts: bool
) -> None:
    reviews = pages.get(f"{REPO}/pulls/7/reviews").mock(
        side_effect=_answers(last, [review("a", "APPROVED")], [review("b", "CHANGES_REQUESTED")])
    )
    runs = pages.get(f"{REPO}/commits/{SHA}/check-runs").mock(
        side_effect=_answers(last, check_runs(check_run()), check_runs(check_run(conclusion="failure")))
    )
    collector = GitHubCollector(workspace(checked_out(origin="git@github.com:octo/cat")))
    values = (await collector.collect()).values
    await collector.close()
    told = (values["github_review_decision"], values["github_checks_status"])
    assert told == (("changes_requested", "failure") if counts else ("approved", "success"))
    assert reviews.call_count == runs.call_count == min(last, 10)
