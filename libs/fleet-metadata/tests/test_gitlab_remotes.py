"""Which remotes are at the GitLab that is asked, and which project is told of."""

from typing import Any

import pytest
from collected_gitlab import NOTHING, ORIGIN, collected_from
from fake_gitlab import FakeGitLab
from forge_workspace import SECRET, checked_out, workspace
from gitlab_answers import merge_request, project
from small_server import small_server

from fleet_metadata.collector import CollectionFailed, NotApplicable, Reading
from fleet_metadata.collectors.forges import GitLabCollector
from fleet_metadata.collectors.forges.pushed_branch import PushedBranch

NO_REPOSITORY = NotApplicable("no git repository in folder")


async def subject(branch: str | None, origin: str | None, **settings: Any) -> PushedBranch:
    return await GitLabCollector(workspace(checked_out(branch, origin), **settings)).subject()


@pytest.mark.parametrize(
    ("origin", "url", "path"),
    [
        ("https://gitlab.com/group/app.git", "https://gitlab.com", "group/app"),
        ("git@gitlab.com:group/sub/sub2/app.git", "https://gitlab.com", "group/sub/sub2/app"),
        ("ssh://git@altssh.gitlab.com:443/group/app", "https://gitlab.com", "group/app"),
        (f"https://oauth2:{SECRET}@gitlab.com/group/app", "https://gitlab.com", "group/app"),
        ("https://git.test:8443/group/app", "https://git.test:8443", "group/app"),
        ("https://git.test/forge/group/app", "https://git.test/forge/", "group/app"),
        ("git@git.test:group/app", "https://git.test/forge", "group/app"),
        ("git@git.test:forge/app", "https://git.test/forge", "forge/app"),
        ("https://git.test/group/app", "https://git.test/api/v4", "group/app"),
    ],
)
async def test_the_project_is_that_of_the_remote(origin: str, url: str, path: str) -> None:
    assert await subject("b", origin, gitlab_url=url) == PushedBranch(path, "b", path)


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        (None, "https://gitlab.com"),
        ("https://github.com/group/app", "https://gitlab.com"),
        ("https://gitlab.com/group/app", "https://git.test"),
        ("https://gitlab.com/app", "https://gitlab.com"),
        ("https://gitlab.com/group/../app", "https://gitlab.com"),
        ("https://gitlab.com/group/a%20b", "https://gitlab.com"),
        ("https://git.test/group/app", "https://git.test/forge"),
        ("https://git.test/forger/group/app", "https://git.test/forge"),
        ("/srv/gitlab.com/group/app", "https://gitlab.com"),
    ],
)
async def test_another_remote_is_not_gitlabs(origin: str | None, url: str) -> None:
    with pytest.raises(NotApplicable, match="set GITLAB_PROJECT to its group/name"):
        await subject("b", origin, gitlab_url=url)


async def test_a_project_that_is_named_counts_for_any_remote_and_for_none() -> None:
    named = PushedBranch("group/app", "b", "group/app")
    assert await subject("b", None, gitlab_project="group/app") == named
    assert await subject("b", "https://mirror.test/x", gitlab_project="group/app") == named
    assert await collected_from(NO_REPOSITORY, gitlab_project="group/sub/app") == Reading(
        NOTHING | {"gitlab_project": "group/sub/app"}
    )
    with pytest.raises(NotApplicable, match="no git repository"):
        await collected_from(NO_REPOSITORY)


@pytest.mark.parametrize(
    "named", ["app", "group/", "/app", "a/../b", "a b/c", f"https://{SECRET}@x/a/b", "a/b\n", ""]
)
async def test_a_bad_name_of_a_project_is_told_with_what_to_write(named: str) -> None:
    with pytest.raises(CollectionFailed, match="GITLAB_PROJECT names no project; write group/name") as failed:
        await subject("b", ORIGIN, gitlab_project=named)
    assert SECRET not in str(failed.value)


async def test_a_gitlab_below_a_path_is_asked_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    fake = FakeGitLab([project(1, "group/sub/app")], [merge_request(7)], prefix="/forge/api/v4")
    with small_server(fake) as server:
        reading = await collected_from(
            checked_out(origin=f"{server.url}/forge/group/sub/app.git"), gitlab_url=f"{server.url}/forge/"
        )
    assert reading.values["gitlab_mr_number"] == 7
    assert fake.asked[0] == "/projects/group%2Fsub%2Fapp/merge_requests"
