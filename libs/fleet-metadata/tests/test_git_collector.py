import os
from pathlib import Path

import pytest
from collected_git import collected, git_collector
from git_repositories import MadeRepository, isolate

from fleet_metadata.collector import CollectionFailed, Collector, NotApplicable

SECRET = "canary7f3a"
NO_COMMIT = dict.fromkeys(
    ("git_commit_hash", "git_commit_message", "git_commit_author", "git_commit_at"), None
)
CLEAN = {"git_status": "clean", "git_dirty_files": 0}


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return MadeRepository(tmp_path / "made")


def test_it_is_a_collector_whose_keys_are_those_of_the_contract(tmp_path: Path) -> None:
    collector: Collector = git_collector(tmp_path)
    assert (collector.name, collector.prefix) == ("git", "git_")
    assert {key.name: key.schema()["type"] for key in collector.keys} == {
        **dict.fromkeys(("git_branch", "git_commit_hash", "git_commit_message"), "string"),
        **dict.fromkeys(("git_commit_author", "git_commit_at", "git_remote_url"), "string"),
        **dict.fromkeys(("git_status", "git_operation"), "enum"),
        **dict.fromkeys(("git_dirty_files", "git_ahead", "git_behind", "git_stash_count"), "number"),
    }
    assert {key.name for key in collector.keys if key.in_list} == {"git_branch", "git_status"}


async def test_no_repository_is_no_fault(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable):
        await git_collector(tmp_path).collect()


async def test_all_of_a_repository_is_told(made: MadeRepository) -> None:
    made.git("remote", "add", "origin", f"https://user:{SECRET}@host/a/b.git")
    commit = made.commit("Begin\n\nWith more to come", a="a")
    assert await collected(made.folder) == {
        "git_branch": "main",
        "git_commit_hash": commit,
        "git_commit_message": "Begin\n\nWith more to come",
        "git_commit_author": "Ada Lovelace",
        "git_commit_at": "2026-02-14T12:00:00+05:30",
        **CLEAN,
        "git_ahead": None,
        "git_behind": None,
        "git_stash_count": 0,
        "git_operation": None,
        "git_remote_url": "https://host/a/b.git",
    }


async def test_an_unborn_branch_has_a_name_and_no_commit(made: MadeRepository) -> None:
    values = await collected(made.folder)
    assert values["git_branch"] == "main"
    assert values.items() >= (NO_COMMIT | CLEAN).items()


async def test_a_detached_head_has_a_commit_and_no_branch(made: MadeRepository) -> None:
    commit = made.commit()
    made.git("checkout", "--quiet", "--detach")
    values = await collected(made.folder)
    assert (values["git_branch"], values["git_commit_hash"]) == (None, commit)


async def test_a_sub_folder_tells_of_all_of_the_repository(made: MadeRepository) -> None:
    made.commit(**{"deep/down/a": "a", "b": "b"})
    made.write("b", "changed")
    values = await collected(made.folder / "deep/down")
    assert (values["git_branch"], values["git_status"], values["git_dirty_files"]) == ("main", "modified", 1)


async def test_a_worktree_tells_of_itself(made: MadeRepository, tmp_path: Path) -> None:
    made.commit(a="a")
    made.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    made.write("a", "changed")
    values = await collected(tmp_path / "other")
    assert values["git_branch"] == "other"
    assert values.items() >= CLEAN.items()


async def test_a_submodule_tells_of_itself_and_makes_its_superproject_modified(
    made: MadeRepository, tmp_path: Path
) -> None:
    inner = MadeRepository(tmp_path / "inner")
    inner.commit(a="a")
    made.git("submodule", "--quiet", "add", "-b", "main", str(inner.folder), "sub")
    made.commit()
    assert (await collected(made.folder)).items() >= CLEAN.items()
    made.write("sub/a", "changed")
    values = await collected(made.folder)
    assert (values["git_status"], values["git_dirty_files"]) == ("modified", 1)
    values = await collected(made.folder / "sub")
    assert (values["git_status"], values["git_remote_url"]) == ("modified", str(inner.folder))


async def test_a_bare_repository_tells_what_it_has(tmp_path: Path, made: MadeRepository) -> None:
    commit = made.commit()
    bare = MadeRepository(tmp_path / "bare", "--bare")
    made.git("push", "--quiet", str(bare.folder), "main")
    values = await collected(bare.folder)
    nothing = dict.fromkeys(("git_status", "git_dirty_files", "git_ahead", "git_behind", "git_operation"))
    assert values.items() >= nothing.items()
    assert (values["git_branch"], values["git_commit_hash"], values["git_stash_count"]) == ("main", commit, 0)


async def test_an_empty_bare_repository_tells_its_branch(tmp_path: Path) -> None:
    values = await collected(MadeRepository(tmp_path / "bare", "--bare").folder)
    assert values["git_branch"] == "main"
    assert values.items() >= (NO_COMMIT | {"git_status": None}).items()


async def test_the_inside_of_a_git_folder_tells_of_stashes_too(made: MadeRepository) -> None:
    made.commit(a="a")
    made.write("a", "b")
    made.git("stash")
    values = await collected(made.folder / ".git")
    assert (values["git_status"], values["git_stash_count"], values["git_branch"]) == (None, 1, "main")


async def test_the_environment_of_the_server_names_no_repository(
    made: MadeRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = MadeRepository(tmp_path / "other")
    other.commit()
    commit = made.commit()
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=true'")
    values = await collected(made.folder)
    assert (values["git_commit_hash"], values["git_status"]) == (commit, "clean")


async def test_a_secret_in_the_remote_is_in_no_value(made: MadeRepository) -> None:
    made.git("remote", "add", "origin", "work:b")
    made.git("config", f"url.https://token:{SECRET}@host/a/.insteadOf", "work:")
    values = await collected(made.folder)
    assert values["git_remote_url"] == "https://host/a/b"
    assert SECRET not in str(values)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
async def test_a_repository_of_somebody_else_is_a_fault(made: MadeRepository) -> None:
    made.commit()
    os.chown(made.folder, 12345, 12345)
    os.chown(made.folder / ".git", 12345, 12345)
    with pytest.raises(CollectionFailed, match=r"safe\.directory"):
        await git_collector(made.folder).collect()


async def test_a_branch_that_points_at_nothing_is_a_fault(made: MadeRepository) -> None:
    made.commit()
    (made.folder / ".git/refs/heads/main").write_text(f"{'1' * 40}\n")
    with pytest.raises(CollectionFailed, match=r"^git says: fatal: bad object HEAD$"):
        await git_collector(made.folder).collect()
