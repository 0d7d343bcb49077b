"""What is left when GitLab answers a part of the questions, or answers strangely."""

from typing import Any

import pytest
from collected_gitlab import collected, failure
from fake_gitlab import FakeGitLab, told
from forge_workspace import SECRET
from gitlab_answers import merge_request, pipeline, project
from small_server import Told

UP = project(1, "group/app")
FORK = project(2, "me/app", parent=UP)
FORK_ORIGIN = "git@gitlab.com:me/app.git"


pytestmark = pytest.mark.usefixtures("gitlab_wire")


@pytest.fixture
def gitlab() -> FakeGitLab:
    return FakeGitLab([UP, FORK])


async def test_a_word_that_is_not_known_is_no_value_and_a_warning(gitlab: FakeGitLab) -> None:
    gitlab.requests, gitlab.of_request = [merge_request(7)], pipeline(SECRET)
    reading = await collected()
    assert (reading.values["gitlab_mr_number"], reading.values["gitlab_pipeline_status"]) == (7, None)
    [warning] = reading.warnings
    assert warning.startswith("gitlab_pipeline_status is not known")
    assert SECRET not in warning


@pytest.mark.parametrize("requests", [[], [merge_request(7)]])
@pytest.mark.parametrize("status", [403, 404])
async def test_pipelines_that_are_refused_leave_the_rest(
    gitlab: FakeGitLab, requests: list[dict[str, Any]], status: int
) -> None:
    gitlab.requests = requests
    for path in ("/projects/1/merge_requests/7", "/projects/group%2Fapp/pipelines"):
        gitlab.instead[path] = told({"message": "403 Forbidden"}, status)
    reading = await collected()
    assert reading.values["gitlab_mr_number"] == (7 if requests else None)
    [warning] = reading.warnings
    assert f"gitlab_pipeline_status is not known: GitLab (gitlab.com) answered {status}" in warning


@pytest.mark.parametrize("token", [None, SECRET])
async def test_a_project_that_is_not_to_be_seen_is_a_failure(token: str | None) -> None:
    text = await failure(origin="git@gitlab.com:group/sub/dog.git", gitlab_token=token)
    assert text.startswith("no such project or no access: group/sub/dog;")
    assert ("set GITLAB_TOKEN" in text) is (token is None)
    text = await failure(origin="git@gitlab.com:me/gone.git", gitlab_project="group/app")
    assert text.startswith("no such project or no access: group/app or me/gone;")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (told({"message": "Too many"}, 429, **{"Retry-After": "60"}), "rate limited until"),
        (told({"message": "Too many"}, 429, **{"RateLimit-Reset": "99999999999"}), "rate limited until"),
        (told({"message": "401 Unauthorized"}, 401), "the token is not accepted; set GITLAB_TOKEN"),
        (told("", 502), "GitLab (gitlab.com) answered 502"),
        (told({"error": "?"}), "no answer of GitLab's API"),
        (told([{}]), "no answer of GitLab's API"),
        (Told(b"<html>"), "check GITLAB_URL"),
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/projects/me%2Fapp/merge_requests",
        "/projects/me%2Fapp",
        "/projects/1/merge_requests",
        "/projects/me%2Fapp/pipelines",
    ],
)
async def test_any_other_failure_is_one_of_the_whole(
    gitlab: FakeGitLab, path: str, answer: Told, words: str
) -> None:
    gitlab.instead[path] = answer
    assert words in await failure(origin=FORK_ORIGIN, gitlab_token=SECRET)


@pytest.mark.parametrize(
    "told_of", [{"iid": None}, {"state": "odd"}, {"target_project_id": None}, {"title": 1}]
)
async def test_a_merge_request_of_another_shape_is_a_failure(
    gitlab: FakeGitLab, told_of: dict[str, Any]
) -> None:
    gitlab.instead["/projects/group%2Fapp/merge_requests"] = told([merge_request(7) | told_of])
    assert "no answer of GitLab's API" in await failure()
