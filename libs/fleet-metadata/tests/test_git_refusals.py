import os
from pathlib import Path

import pytest
from git_repositories import MadeRepository, isolate, script

from fleet_metadata.collector import CollectionFailed, NotApplicable
from fleet_metadata.collectors.git.repository import Repository

SECRET = "canary7f3a"


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return MadeRepository(tmp_path / "made")


async def test_no_repository_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    repository = Repository(tmp_path / "plain")
    for question in (repository.checkout, repository.status, repository.last_commit, repository.stash_count):
        with pytest.raises(NotApplicable, match=r"^no git repository in plain, nor above it$"):
            await question()


async def test_a_folder_that_is_gone_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(CollectionFailed, match=r"git says: fatal: cannot change to .*No such file"):
        await Repository(tmp_path / "gone").checkout()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
async def test_a_repository_of_somebody_else_is_not_read_and_what_to_do_is_said(made: MadeRepository) -> None:
    made.commit(**{"sub/a": "a"})
    os.chown(made.folder, 12345, 12345)
    os.chown(made.folder / ".git", 12345, 12345)
    repository = Repository(made.folder / "sub")
    for question in (repository.checkout, repository.status, repository.last_commit):
        with pytest.raises(CollectionFailed) as failed:
            await question()
        assert f"git config --global --add safe.directory {made.folder}" in str(failed.value)
        assert "\n" not in str(failed.value)


async def test_what_older_git_says_of_it_is_understood(tmp_path: Path) -> None:
    says = "echo \"fatal: unsafe repository ('/x' is owned by someone else)\" >&2; exit 128"
    with pytest.raises(CollectionFailed, match=f"--add safe.directory {tmp_path}$"):
        await Repository(tmp_path, script(tmp_path, says)).checkout()


async def test_a_branch_that_points_at_nothing_is_a_fault(made: MadeRepository) -> None:
    made.commit()
    (made.folder / ".git/refs/heads/main").write_text(f"{'1' * 40}\n")
    for question in (Repository(made.folder).status, Repository(made.folder).last_commit):
        with pytest.raises(CollectionFailed, match=r"^git says: fatal: bad object HEAD$"):
            await question()


async def test_a_damaged_branch_is_a_fault(made: MadeRepository) -> None:
    made.commit()
    (made.folder / ".git/refs/heads/main").write_text("garbage\n")
    with pytest.raises(
        CollectionFailed, match=r"^git says: fatal: your current branch appears to be broken$"
    ):
        await Repository(made.folder).last_commit()


@pytest.mark.parametrize("head", ["", "garbage\n"])
async def test_a_damaged_head_is_not_passed_by(made: MadeRepository, head: str) -> None:
    (made.folder / ".git/HEAD").write_text(head)
    with pytest.raises(CollectionFailed, match=r"made/\.git is not a git repository, or a damaged one"):
        await Repository(made.folder).checkout()


async def test_a_damaged_index_is_a_fault(made: MadeRepository) -> None:
    made.commit(a="a")
    (made.folder / ".git/index").write_bytes(b"garbage" * 10)
    with pytest.raises(CollectionFailed, match=r"^git says: (error|fatal): .*(index|signature)"):
        await Repository(made.folder).status()


async def test_a_worktree_whose_repository_is_gone_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text(f"gitdir: {tmp_path}/gone/.git/worktrees/x\n")
    with pytest.raises(CollectionFailed, match=r"git says: fatal: not a git repository: .*/gone/"):
        await Repository(tmp_path).checkout()


async def test_a_head_that_cannot_be_read_is_a_fault(made: MadeRepository, tmp_path: Path) -> None:
    answer = f'case "$*" in *rev-parse*) printf "%s\\n" {tmp_path}/gone;; *) exit 2;; esac'
    with pytest.raises(CollectionFailed, match="gone/HEAD cannot be read: No such file or directory"):
        await Repository(made.folder, script(tmp_path, answer)).checkout()


@pytest.mark.parametrize(
    ("complaint", "shown"),
    [
        ("warning: odd\nfatal: it broke\nmore", "git says: fatal: it broke"),
        ("warning: odd\nerror: it broke", "git says: error: it broke"),
        ("  it broke  \nmore", "git says: it broke"),
        (f"fatal: 'https://u:{SECRET}@host/a' is bad", "git says: fatal: 'https://host/a' is bad"),
        ("", "git ended with exit code 7 and said nothing"),
    ],
)
async def test_a_complaint_is_told_in_short_and_without_secrets(
    tmp_path: Path, complaint: str, shown: str
) -> None:
    (tmp_path / "complaint").write_text(complaint)
    repository = Repository(tmp_path, script(tmp_path, 'cat "$(dirname "$0")/complaint" >&2; exit 7'))
    for question in (repository.checkout, repository.status, repository.last_commit, repository.stash_count):
        with pytest.raises(CollectionFailed) as failed:
            await question()
        assert str(failed.value) == shown


async def test_git_that_is_killed_by_another_is_told(tmp_path: Path) -> None:
    with pytest.raises(CollectionFailed, match=r"^git was ended by signal 9$"):
        await Repository(tmp_path, script(tmp_path, "kill -9 $$")).status()
