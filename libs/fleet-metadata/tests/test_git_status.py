import os
import threading
from pathlib import Path

import pytest
from collected_git import collected
from git_repositories import MadeRepository, isolate, script

from fleet_metadata.collectors.git.repository import LARGE_STATUS, Repository


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return MadeRepository(tmp_path / "made")


async def _state(made: MadeRepository) -> tuple[str, int]:
    values = await collected(made.folder)
    return values["git_status"], values["git_dirty_files"]


async def test_files_that_wait_for_the_first_commit_are_told(made: MadeRepository) -> None:
    made.write("a")
    assert await _state(made) == ("modified", 1)
    made.git("add", "a")
    assert await _state(made) == ("staged", 1)


async def test_conflicts_come_before_staged_before_modified_before_clean(made: MadeRepository) -> None:
    made.diverged()
    assert await _state(made) == ("clean", 0)
    made.write("untracked")
    assert await _state(made) == ("modified", 1)
    made.write("new")
    made.git("add", "new")
    assert await _state(made) == ("staged", 2)
    made.git("reset", "--quiet")
    made.git("merge", "side", fails=True)
    made.git("add", "new")
    assert await _state(made) == ("conflicted", 3)
    assert (await collected(made.folder))["git_operation"] == "merge"


async def test_a_file_that_is_staged_and_modified_is_staged_and_counts_once(made: MadeRepository) -> None:
    made.commit(a="a")
    made.write("a", "staged")
    made.git("add", "a")
    made.write("a", "modified")
    assert await _state(made) == ("staged", 1)


async def test_a_file_that_is_to_be_added_is_modified(made: MadeRepository) -> None:
    made.write("a", "a")
    made.git("add", "--intent-to-add", "a")
    assert await _state(made) == ("modified", 1)


async def test_a_file_that_is_gone_is_modified(made: MadeRepository) -> None:
    made.commit(a="a")
    (made.folder / "a").unlink()
    assert await _state(made) == ("modified", 1)


async def test_a_file_that_was_renamed_counts_once(made: MadeRepository) -> None:
    made.commit(a="a long enough text to be known again\n")
    made.git("mv", "a", "b")
    assert await _state(made) == ("staged", 1)


async def test_ignored_files_do_not_count(made: MadeRepository) -> None:
    made.commit(**{".gitignore": "*.log\n"})
    made.write("a.log")
    assert await _state(made) == ("clean", 0)
    made.git("config", "status.showUntrackedFiles", "all")
    assert await _state(made) == ("clean", 0)


async def test_untracked_files_count_as_git_status_is_set_to_list_them(made: MadeRepository) -> None:
    made.commit()
    made.write("folder/a")
    made.write("folder/b")
    assert await _state(made) == ("modified", 1)
    made.git("config", "status.showUntrackedFiles", "all")
    assert await _state(made) == ("modified", 2)
    made.git("config", "status.showUntrackedFiles", "no")
    assert await _state(made) == ("clean", 0)


async def test_files_may_have_odd_names(made: MadeRepository) -> None:
    names = [b"line\nbreak", b"\xff\xfe", b"1 .M one", b"# stash 9", b" ", "ü".encode(), b"-x", b'"q"']
    for name in names:
        made.write(os.fsdecode(name))
    assert await _state(made) == ("modified", len(names))
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "Odd")
    assert await _state(made) == ("clean", 0)


async def test_no_upstream_is_neither_ahead_nor_behind(made: MadeRepository) -> None:
    made.commit()
    values = await collected(made.folder)
    assert (values["git_ahead"], values["git_behind"]) == (None, None)


@pytest.fixture
def pushed(made: MadeRepository, tmp_path: Path) -> MadeRepository:
    """A repository whose branch is that of its upstream, with a commit."""
    upstream = MadeRepository(tmp_path / "upstream", "--bare")
    made.commit()
    made.git("remote", "add", "origin", str(upstream.folder))
    made.git("push", "--quiet", "--set-upstream", "origin", "main")
    return made


async def test_commits_ahead_and_behind_are_counted(pushed: MadeRepository) -> None:
    values = await collected(pushed.folder)
    assert (values["git_ahead"], values["git_behind"]) == (0, 0)
    pushed.commit("theirs")
    pushed.git("push", "--quiet")
    pushed.git("reset", "--quiet", "--hard", "HEAD~1")
    pushed.commit("ours", a="a")
    pushed.commit("ours too", a="b")
    values = await collected(pushed.folder)
    assert (values["git_ahead"], values["git_behind"]) == (2, 1)


async def test_an_upstream_that_is_gone_is_none(pushed: MadeRepository) -> None:
    pushed.git("update-ref", "-d", "refs/remotes/origin/main")
    values = await collected(pushed.folder)
    assert (values["git_ahead"], values["git_behind"]) == (None, None)


async def test_an_upstream_may_be_a_branch_of_its_own(made: MadeRepository) -> None:
    made.commit()
    made.git("checkout", "--quiet", "--track", "-b", "side")
    made.commit()
    values = await collected(made.folder)
    assert (values["git_branch"], values["git_ahead"], values["git_behind"]) == ("side", 1, 0)


async def test_no_setting_changes_what_is_counted(pushed: MadeRepository) -> None:
    pushed.write("a")
    for name in ("status.branch", "status.showStash", "status.aheadBehind", "status.relativePaths"):
        pushed.git("config", name, "false")
    pushed.git("config", "status.short", "true")
    pushed.git("config", "color.status", "always")
    values = await collected(pushed.folder)
    assert (values["git_ahead"], values["git_dirty_files"], values["git_status"]) == (0, 1, "modified")


async def test_a_lock_on_the_index_holds_nobody_up(made: MadeRepository) -> None:
    made.commit(a="a")
    (made.folder / ".git/index.lock").touch()
    made.write("a", "changed")
    assert await _state(made) == ("modified", 1)


@pytest.mark.parametrize(("size", "threads"), [(LARGE_STATUS - 1, 0), (LARGE_STATUS, 1)])
async def test_a_large_status_is_parsed_beside_the_loop(tmp_path: Path, size: int, threads: int) -> None:
    records = b"? a\0" * (LARGE_STATUS // 4)
    (tmp_path / "told").write_bytes(records[: size - 1] + b"\0")
    before = set(threading.enumerate())
    status = await Repository(tmp_path, script(tmp_path, f"cat '{tmp_path}/told'")).status()
    assert status.listed == LARGE_STATUS // 4
    assert len(set(threading.enumerate()) - before) == threads


async def test_a_status_may_be_larger_than_what_else_git_tells(tmp_path: Path) -> None:
    git = script(tmp_path, r"head -c 5000000 /dev/zero | tr '\0' x | sed 's/^/? /'")
    assert (await Repository(tmp_path, git).status()).listed == 1
