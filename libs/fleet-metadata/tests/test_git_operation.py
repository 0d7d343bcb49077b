import os
from pathlib import Path
from threading import Thread

import pytest
from git_repositories import MadeRepository, isolate

from fleet_metadata.collectors.git.operation import operation_under_way


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MadeRepository:
    """A repository whose branches `main` and `side` conflict."""
    isolate(monkeypatch, tmp_path)
    made = MadeRepository(tmp_path / "made")
    made.diverged()
    return made


def _operation(made: MadeRepository) -> str | None:
    return operation_under_way(Path(made.git("rev-parse", "--absolute-git-dir")))


def test_nothing_is_under_way_at_rest(made: MadeRepository) -> None:
    assert _operation(made) is None


def test_a_merge(made: MadeRepository) -> None:
    made.git("merge", "side", fails=True)
    assert _operation(made) == "merge"
    made.git("merge", "--abort")
    assert _operation(made) is None


@pytest.mark.parametrize("way", ["--merge", "--apply"])
def test_a_rebase_that_met_a_conflict(made: MadeRepository, way: str) -> None:
    made.git("rebase", way, "side", fails=True)
    assert _operation(made) == "rebase"
    made.git("rebase", "--abort")
    assert _operation(made) is None


def test_an_interactive_rebase_that_waits(made: MadeRepository) -> None:
    made.git("rebase", "--interactive", "HEAD~1", GIT_SEQUENCE_EDITOR="sed -i s/^pick/edit/")
    assert _operation(made) == "rebase"


def test_patches_from_mail(made: MadeRepository) -> None:
    patch = made.git("format-patch", "--stdout", "-1", "side")
    made.git("am", told=f"{patch}\n".encode(), fails=True)
    assert _operation(made) == "am"


@pytest.mark.parametrize(("command", "operation"), [("cherry-pick", "cherry-pick"), ("revert", "revert")])
def test_a_commit_that_is_picked_or_reverted(made: MadeRepository, command: str, operation: str) -> None:
    made.git(command, "side", fails=True)
    assert _operation(made) == operation


@pytest.mark.parametrize(("command", "operation"), [("cherry-pick", "cherry-pick"), ("revert", "revert")])
def test_several_commits_between_two_of_them(made: MadeRepository, command: str, operation: str) -> None:
    made.git("checkout", "--quiet", "side")
    second = made.commit("Add b", b="b\n")
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--strategy=ours", "side~1")
    made.git(command, "--no-commit", "side~1", fails=True)
    made.git("reset", "--quiet", "--hard")
    made.git(command, "--no-edit", "side~1", second, fails=True)
    made.git("add", "a")
    made.git("commit", "--quiet", "--allow-empty", "--message", "The first of the two")
    assert _operation(made) == operation


def test_a_bisection(made: MadeRepository) -> None:
    made.git("bisect", "start")
    assert _operation(made) == "bisect"


def test_what_is_done_in_the_midst_of_a_bisection_comes_first(made: MadeRepository) -> None:
    made.git("bisect", "start")
    made.git("cherry-pick", "side", fails=True)
    assert _operation(made) == "cherry-pick"


def test_an_operation_is_of_its_own_worktree(made: MadeRepository, tmp_path: Path) -> None:
    made.git("worktree", "add", "--quiet", str(tmp_path / "other"), "side")
    made.git("-C", str(tmp_path / "other"), "merge", "main", fails=True)
    assert _operation(made) is None
    other = made.git("-C", str(tmp_path / "other"), "rev-parse", "--absolute-git-dir")
    assert operation_under_way(Path(other)) == "merge"


def test_a_to_do_list_that_cannot_be_read_tells_nothing(made: MadeRepository) -> None:
    (made.folder / ".git/sequencer/todo").mkdir(parents=True)
    assert _operation(made) is None


def test_a_to_do_list_that_is_a_fifo_holds_nobody_up(made: MadeRepository) -> None:
    (made.folder / ".git/sequencer").mkdir()
    os.mkfifo(made.folder / ".git/sequencer/todo")
    found: list[str | None] = []
    thread = Thread(target=lambda: found.append(_operation(made)), daemon=True)
    thread.start()
    thread.join(10)
    assert found == [None]


def test_a_folder_that_cannot_be_looked_at_tells_nothing() -> None:
    assert operation_under_way(Path("/" + "a" * 5000)) is None
