"""Where a pull request is found: in the repository, under its new name, in the one that it is a fork of."""

from typing import Any

import pytest
from fake_github import FakeGitHub, told
from forge_workspace import ToldCheckout, checked_out, workspace
from github_answers import SHA, branch_of, closed, error, pull, repository
from small_server import Told

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.forges import GitHubCollector

UP, FORK = "octo/cat", "me/cat"


pytestmark = pytest.mark.usefixtures("github_wire")


@pytest.fixture
def github() -> FakeGitHub:
    return FakeGitHub({UP: repository(UP), FORK: repository(FORK, parent=UP)})


def collector_of(origin: str = UP, branch: str = "feat/one", **settings: Any) -> GitHubCollector:
    return GitHubCollector(workspace(checked_out(branch, f"git@github.com:{origin}.git"), **settings))


async def number(origin: str = UP, **settings: Any) -> int | None:
    collector = collector_of(origin, **settings)
    try:
        return (await collector.collect()).values["github_pr_number"]
    finally:
        await collector.close()


async def test_of_an_api_that_gives_those_of_all_branches_only_ours_count(github: FakeGitHub) -> None:
    github.knows_head = False
    github.pulls = [
        pull(9, head=branch_of(UP, "feat/on")),
        pull(8, head=branch_of(UP, "Feat/one")),
        pull(7, head=branch_of(FORK, "feat/one")),
    ]
    assert await number() is None
    github.pulls.append(pull(1, head=branch_of("Octo/cat", "feat/one")))
    assert await number() == 1


async def test_the_pull_request_of_a_fork_is_in_its_parent(github: FakeGitHub) -> None:
    github.pulls = [
        pull(7, head=branch_of(FORK, "feat/one")),
        pull(8),
        pull(9, head=branch_of("you/cat", "feat/one")),
    ]
    assert await number(FORK) == 7
    assert github.asked == [
        "/repos/me/cat/pulls",
        "/repos/me/cat",
        "/repos/octo/cat/pulls",
        "/repos/octo/cat/pulls/7/reviews",
        f"/repos/octo/cat/commits/{SHA}/check-runs",
        f"/repos/octo/cat/commits/{SHA}/status",
    ]


async def test_one_within_the_fork_comes_before_one_in_its_parent(github: FakeGitHub) -> None:
    github.pulls = [pull(7, head=branch_of(FORK, "feat/one")), pull(3, FORK, **closed())]
    assert await number(FORK) == 3


async def test_what_a_repository_is_is_asked_once_for_each_branch(github: FakeGitHub) -> None:
    collector = collector_of(FORK)
    for _ in range(3):
        await collector.collect()
    assert github.asked.count("/repos/me/cat") == 1
    assert github.asked.count("/repos/octo/cat/pulls") == 3
    repository_of = collector._workspace.repository
    assert isinstance(repository_of, ToldCheckout)
    repository_of.checkout_or_error = checked_out("other", "git@github.com:me/cat.git")
    await collector.collect()
    assert github.asked.count("/repos/me/cat") == 2
    await collector.close()


@pytest.mark.parametrize("gone", [{"repo": None}, {"repo": None, "user": None}])
async def test_one_of_a_fork_that_is_gone_is_found_by_its_owner(
    github: FakeGitHub, gone: dict[str, Any]
) -> None:
    github.pulls = [pull(7, head=branch_of(FORK, "feat/one") | gone)]
    assert await number(FORK) == 7
    github.pulls = [pull(7, head=branch_of(FORK, "feat/one") | {"repo": None, "user": None, "label": None})]
    github.knows_head = False
    assert await number(FORK) is None


async def test_a_fork_by_the_same_owner_is_told_from_its_parent(github: FakeGitHub) -> None:
    github.repositories["octo/cat2"] = repository("octo/cat2", parent=UP)
    own, of_fork = branch_of(UP, "feat/one"), branch_of("octo/cat2", "feat/one")
    github.pulls = [pull(7, head=own), pull(8, head=of_fork)]
    assert [await number(UP), await number("octo/cat2")] == [7, 8]
    github.pulls = [pull(7, head=own)]
    assert await number("octo/cat2") is None


async def test_where_the_parent_is_named_those_of_the_remotes_owner_count(github: FakeGitHub) -> None:
    github.pulls = [pull(7, head=branch_of(FORK, "feat/one")), pull(8)]
    assert await number(FORK, github_repo=UP) == 7
    assert await number(UP, github_repo=UP) == 8
    github.repositories["Octo/Cat"] = repository(UP)
    assert await number("Octo/Cat", github_repo=UP) == 8


async def test_a_redirect_to_the_new_name_is_followed(github: FakeGitHub) -> None:
    github.pulls = [pull(7)]
    github.repositories["octo/old"] = repository(UP)
    github.instead["/repos/octo/old/pulls"] = Told(
        b"",
        301,
        {"Location": "https://api.github.com/repos/octo/cat/pulls?state=all&per_page=100&head=octo:feat/one"},
    )
    assert await number("octo/old") == 7


async def test_the_branch_of_a_repository_with_a_new_owner_is_the_new_owners(github: FakeGitHub) -> None:
    github.pulls = [pull(7)]
    github.repositories["before/cat"] = repository(UP)
    assert await number("before/cat") == 7
    assert github.asked[:3] == ["/repos/before/cat/pulls", "/repos/before/cat", "/repos/octo/cat/pulls"]


async def test_a_parent_with_a_new_name_is_looked_into_for_branches_of_the_fork(github: FakeGitHub) -> None:
    github.pulls = [pull(7, head=branch_of(FORK, "feat/one")), pull(8)]
    github.repositories["octo/old"] = repository(UP)
    assert await number(FORK, github_repo="octo/old") == 7


async def test_a_named_repository_may_be_the_remote_under_its_old_name(github: FakeGitHub) -> None:
    github.pulls = [pull(8)]
    github.repositories["octo/old"] = repository(UP)
    assert await number(UP, github_repo="octo/old") == 8


async def test_a_parent_that_is_not_to_be_seen_is_as_good_as_none(github: FakeGitHub) -> None:
    del github.repositories[UP]
    assert await number(FORK) is None


async def test_a_fork_that_is_gone_by_now_is_told_by_what_its_parent_has(github: FakeGitHub) -> None:
    collector = collector_of(FORK)
    assert (await collector.collect()).values["github_pr_number"] is None
    del github.repositories[FORK]
    github.pulls = [pull(7, head=branch_of(FORK, "feat/one") | {"repo": None})]
    assert (await collector.collect()).values["github_pr_number"] == 7
    await collector.close()


async def test_a_repository_that_goes_away_is_a_failure(github: FakeGitHub) -> None:
    collector = collector_of(UP)
    await collector.collect()
    del github.repositories[UP]
    with pytest.raises(CollectionFailed, match="no such repository or no access: octo/cat"):
        await collector.collect()
    await collector.close()


@pytest.mark.parametrize("path", ["/repos/me/cat/pulls", "/repos/me/cat", "/repos/octo/cat/pulls"])
async def test_a_refusal_that_is_no_404_is_a_failure(github: FakeGitHub, path: str) -> None:
    github.instead[path] = told(error("Must have push access", 403), 403)
    with pytest.raises(CollectionFailed, match="answered 403"):
        await number(FORK)
