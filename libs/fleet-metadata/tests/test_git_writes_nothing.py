"""That reading changes nothing of a repository: neither a byte nor a time, and no file comes or goes."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from collected_git import collected
from git_repositories import MadeRepository, isolate, script

Snapshot = Mapping[str, object]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    made = MadeRepository(tmp_path / "made")
    made.commit(a="a", b="b")
    return made


def _snapshot(folder: Path) -> Snapshot:
    """Kind, times, inode and bytes of everything below the folder, and of itself."""
    seen: dict[str, object] = {}
    for path in (folder, *folder.rglob("*")):
        state = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        seen[str(path)] = (state.st_mode, state.st_ino, state.st_mtime_ns, state.st_ctime_ns, content)
    return seen


def _seem_changed(made: MadeRepository) -> None:
    """Give a file another time and the same bytes: git would like to note that it looked."""
    os.utime(made.folder / "a", ns=(1, 1))


def _be_racily_clean(made: MadeRepository) -> None:
    """Let a file be as new as the index: its time does not tell whether it was changed after that."""
    made.write("a", "A")
    made.git("add", "a")
    index = (made.folder / ".git/index").stat().st_mtime_ns
    made.write("a", "B")
    os.utime(made.folder / "a", ns=(index, index))


@pytest.mark.parametrize("prepare", [_seem_changed, _be_racily_clean])
async def test_reading_writes_nothing_where_a_plain_git_status_does(
    made: MadeRepository, tmp_path: Path, prepare: Callable[[MadeRepository], None]
) -> None:
    prepare(made)
    before = _snapshot(tmp_path)
    await collected(made.folder)
    assert _snapshot(tmp_path) == before
    made.git("status")
    assert _snapshot(tmp_path) != before


async def test_nor_is_anything_written_below_a_submodule_or_for_a_worktree(
    made: MadeRepository, tmp_path: Path
) -> None:
    inner = MadeRepository(tmp_path / "inner")
    inner.commit(a="a")
    made.git("submodule", "--quiet", "add", str(inner.folder), "sub")
    made.commit()
    made.git("worktree", "add", "--quiet", str(tmp_path / "other"), "-b", "other")
    for file in (made.folder / "sub/a", tmp_path / "other/a"):
        os.utime(file, ns=(1, 1))
    before = _snapshot(tmp_path)
    for folder in (made.folder, made.folder / "sub", tmp_path / "other", made.folder / ".git"):
        await collected(folder)
    assert _snapshot(tmp_path) == before


async def test_nor_in_the_midst_of_a_conflict_or_with_a_cache_of_untracked_files(
    made: MadeRepository, tmp_path: Path
) -> None:
    made.git("config", "core.untrackedCache", "true")
    made.git("config", "feature.manyFiles", "true")
    made.diverged()
    made.git("merge", "side", fails=True)
    made.write("untracked")
    made.write("b", "b")
    os.utime(made.folder / "b", ns=(1, 1))
    before = _snapshot(tmp_path)
    assert (await collected(made.folder))["git_status"] == "conflicted"
    assert _snapshot(tmp_path) == before


async def test_no_monitor_of_the_work_tree_is_asked(made: MadeRepository, tmp_path: Path) -> None:
    hook = script(tmp_path, 'touch "$(dirname "$0")/was-asked"')
    made.git("config", "core.fsmonitor", hook)
    made.git("status")
    assert (tmp_path / "was-asked").exists()
    (tmp_path / "was-asked").unlink()
    await collected(made.folder)
    assert not (tmp_path / "was-asked").exists()
