"""Which remotes are GitHub's, and which repository is told of."""

from typing import Any

import pytest
import respx
from collected_github import NOTHING, ORIGIN, collected, collected_from, failure
from fake_github import FakeGitHub
from forge_workspace import SECRET, checked_out, workspace
from github_answers import (
    pull,
    repository,
)
from pydantic import ValidationError
from small_server import small_server

from fleet_metadata.collector import CollectionFailed, NotApplicable, Reading
from fleet_metadata.collectors.forges import GitHubCollector
from fleet_metadata.collectors.forges.pushed_branch import PushedBranch

NO_REPOSITORY = NotApplicable("no git repository in folder")


pytestmark = pytest.mark.usefixtures("github_wire")


@pytest.fixture
def github() -> FakeGitHub:
    return FakeGitHub({"octo/cat": repository("octo/cat")})


@pytest.mark.parametrize(
    "origin",
    [
        "git@github.com:octo/cat.git",
        "ssh://git@ssh.github.com:443/octo/cat.git",
        f"https://me:{SECRET}@github.com/octo/cat",
        "https://api.github.com/octo/cat",
    ],
)
async def test_the_repository_is_that_of_the_remote(origin: str) -> None:
    reading = await collected(origin=origin)
    assert reading.values["github_repo_name"] == "octo/cat"
    assert SECRET not in repr(reading)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "https://gitlab.com/octo/cat.git",
        "https://github.com.evil.test/octo/cat",
        "https://gist.github.com/octo/0123",
        "https://github.com/octo",
        "https://github.com/octo/cat/tree",
        "https://github.com/octo/..",
        "https://github.com/../cat",
        "https://github.com/octo/c%3Ft",
        "/srv/github.com/octo/cat",
    ],
)
async def test_another_remote_is_not_githubs(origin: str | None) -> None:
    for ask in (GitHubCollector.subject, GitHubCollector.collect):
        with pytest.raises(NotApplicable, match="set GITHUB_REPO to its owner/name"):
            await ask(GitHubCollector(workspace(checked_out(origin=origin))))


async def test_without_a_repository_there_is_nothing_to_tell() -> None:
    with pytest.raises(NotApplicable, match="no git repository"):
        await collected_from(NO_REPOSITORY)


async def test_a_repository_that_is_named_needs_no_other(github: FakeGitHub) -> None:
    reading = await collected_from(NO_REPOSITORY, github_repo="octo/cat")
    assert reading == Reading(NOTHING | {"github_repo_name": "octo/cat"})
    assert github.asked == []


async def test_a_repository_that_is_named_counts_for_any_remote(github: FakeGitHub) -> None:
    github.pulls = [pull(7)]
    for origin in (None, "https://mirror.test/x.git"):
        assert (await collected(origin=origin, github_repo="octo/cat")).values["github_pr_number"] == 7


async def test_a_repository_that_cannot_be_read_is_a_failure() -> None:
    with pytest.raises(CollectionFailed, match="dubious"):
        await collected_from(CollectionFailed("dubious ownership"), github_repo="octo/cat")


@pytest.mark.parametrize(
    "named",
    [f"https://{SECRET}@github.com/o/n", "octo", "octo/cat/x", "octo/..", "./cat", "a b/c", "octo/cat\n", ""],
)
async def test_a_bad_name_of_a_repository_is_told_with_what_to_write(named: str) -> None:
    text = await failure(github_repo=named)
    assert "GITHUB_REPO names no repository; write owner/name" in text
    assert SECRET not in text


async def test_the_subject_is_the_repository_the_branch_and_whose_it_is() -> None:
    def subject(*of: Any, **settings: Any) -> Any:
        return GitHubCollector(workspace(checked_out(*of), **settings)).subject()

    same = {await subject("a", ORIGIN), await subject("a", "git@github.com:octo/cat")}
    others = {
        await subject("b", ORIGIN),
        await subject(None, ORIGIN),
        await subject("a", "https://github.com/octo/dog"),
        await subject("a", "https://github.com/me/cat", github_repo="octo/cat"),
    }
    assert (len(same), len(others), len(same | others)) == (1, 4, 5)


async def test_an_enterprise_server_is_asked_below_its_path() -> None:
    enterprise = FakeGitHub({"octo/cat": repository("octo/cat")}, [pull(7)], prefix="/api/v3")
    with small_server(enterprise) as server, respx.mock(assert_all_mocked=False) as mocked:
        mocked.route(host="127.0.0.1").pass_through()
        for origin in ("http://127.0.0.1/octo/cat.git", "ssh://git@127.0.0.1:22/octo/cat"):
            reading = await collected(
                origin=origin, github_api_url=f"{server.url}/api/v3/", github_token=SECRET
            )
            assert reading.values["github_pr_number"] == 7
    assert {asked.path.split("/repos")[0] for asked in server.asked} == {"/api/v3"}


@pytest.mark.parametrize(
    ("api", "host", "is_githubs"),
    [
        ("https://ghe.test/api/v3", "ghe.test", True),
        ("https://api.octo.ghe.com", "octo.ghe.com", True),
        ("https://api.octo.ghe.com", "api.octo.ghe.com", True),
        ("https://ghe.test/api/v3", "github.com", True),
        ("https://ghe.test/api/v3", "other.test", False),
    ],
)
async def test_a_remote_is_githubs_at_github_or_at_the_host_of_the_api(
    api: str, host: str, is_githubs: bool
) -> None:
    subject = GitHubCollector(
        workspace(checked_out(origin=f"git@{host}:octo/cat"), github_api_url=api)
    ).subject()
    if is_githubs:
        assert (await subject).repository == "octo/cat"
    else:
        with pytest.raises(NotApplicable):
            await subject


def test_names_that_differ_in_case_only_are_of_one_repository() -> None:
    assert not PushedBranch("Octo/Cat", "b", "octo/cat").is_of_fork
    assert PushedBranch("octo/cat", "b", "me/cat").is_of_fork


@pytest.mark.parametrize(
    "url", ["github.com", "ftp://github.com", "http://", "https://[x", "https://x:port", SECRET]
)
def test_a_setting_that_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="not the URL of a server") as refused:
        workspace(checked_out(), github_api_url=url)
    assert SECRET not in str(refused.value)
