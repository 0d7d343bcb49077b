import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from collected_git import Children, until
from git_repositories import MadeRepository, isolate, script

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.git.refusal import NoWorkTree
from fleet_metadata.collectors.git.repository import Checkout, Repository

SECRET = "canary7f3a"


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return MadeRepository(tmp_path / "made")


async def test_a_checkout_is_a_branch_an_origin_and_a_place(made: MadeRepository) -> None:
    made.git("remote", "add", "origin", f"https://user:{SECRET}@host/a/b.git")
    assert await Repository(made.folder).checkout() == Checkout(
        "main", f"https://user:{SECRET}@host/a/b.git", made.folder / ".git"
    )


async def test_a_detached_head_is_no_branch(made: MadeRepository) -> None:
    made.commit()
    made.git("checkout", "--quiet", "--detach")
    assert (await Repository(made.folder).checkout()).branch is None


@pytest.mark.parametrize("branch", ["feature/one", "(detached)", "fix-#1+ü", "HEAD"])
async def test_a_branch_may_have_an_odd_name(made: MadeRepository, branch: str) -> None:
    made.commit()
    made.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    assert (await Repository(made.folder).checkout()).branch == branch


async def test_a_head_that_is_a_symbolic_link_is_followed(made: MadeRepository) -> None:
    made.commit()
    (made.folder / ".git/HEAD").unlink()
    (made.folder / ".git/HEAD").symlink_to("refs/heads/main")
    assert (await Repository(made.folder).checkout()).branch == "main"


@pytest.mark.parametrize(
    ("answer", "branch"), [("echo refs/heads/in-a-table", "in-a-table"), ("exit 1", None)]
)
async def test_where_refs_are_in_tables_git_is_asked(
    made: MadeRepository, tmp_path: Path, answer: str, branch: str | None
) -> None:
    (made.folder / ".git/HEAD").write_text("ref: refs/heads/.invalid\n")
    ask = f'case "$*" in *symbolic-ref*) {answer};; *) exec git "$@";; esac'
    assert (await Repository(made.folder, script(tmp_path, ask)).checkout()).branch == branch


async def test_what_git_says_of_such_a_head_is_told(made: MadeRepository, tmp_path: Path) -> None:
    (made.folder / ".git/HEAD").write_text("ref: refs/heads/.invalid\n")
    ask = 'case "$*" in *symbolic-ref*) echo fatal: no >&2; exit 128;; *) exec git "$@";; esac'
    with pytest.raises(CollectionFailed, match=r"^git says: fatal: no$"):
        await Repository(made.folder, script(tmp_path, ask)).checkout()


async def test_the_origin_is_what_git_makes_of_it(made: MadeRepository) -> None:
    made.git("remote", "add", "origin", "work:a/b.git")
    made.git("config", "url.https://git.example.com/.insteadOf", "work:")
    assert (await Repository(made.folder).checkout()).origin == "https://git.example.com/a/b.git"


async def test_the_first_of_several_urls_is_the_origin(made: MadeRepository) -> None:
    made.git("remote", "add", "origin", "https://one/a")
    made.git("remote", "set-url", "--add", "origin", "https://two/a")
    assert (await Repository(made.folder).checkout()).origin == "https://one/a"


async def test_another_remote_is_no_origin(made: MadeRepository) -> None:
    made.git("remote", "add", "upstream", "https://host/a")
    assert (await Repository(made.folder).checkout()).origin is None


async def test_an_origin_without_a_url_is_none(made: MadeRepository) -> None:
    made.git("config", "remote.origin.pushUrl", "https://host/a")
    assert (await Repository(made.folder).checkout()).origin is None


async def test_a_sub_folder_belongs_to_the_repository(made: MadeRepository) -> None:
    made.write("deep/down/a")
    assert (await Repository(made.folder / "deep/down").checkout()).git_dir == made.folder / ".git"


async def test_a_worktree_has_a_branch_and_a_git_folder_of_its_own(
    made: MadeRepository, tmp_path: Path
) -> None:
    made.commit()
    made.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    assert await Repository(tmp_path / "other").checkout() == Checkout(
        "other", None, made.folder / ".git/worktrees/other"
    )


async def test_a_submodule_is_a_repository_of_its_own(made: MadeRepository, tmp_path: Path) -> None:
    inner = MadeRepository(tmp_path / "inner")
    inner.commit()
    made.git("submodule", "--quiet", "add", str(inner.folder), "sub")
    assert await Repository(made.folder / "sub").checkout() == Checkout(
        "main", str(inner.folder), made.folder / ".git/modules/sub"
    )


async def test_a_bare_repository_has_no_work_tree(tmp_path: Path) -> None:
    bare = Repository(MadeRepository(tmp_path / "bare", "--bare").folder)
    assert await bare.checkout() == Checkout("main", None, tmp_path / "bare")
    with pytest.raises(NoWorkTree):
        await bare.status()


async def test_the_inside_of_a_git_folder_has_no_work_tree(made: MadeRepository) -> None:
    inside = Repository(made.folder / ".git/refs")
    assert (await inside.checkout()).git_dir == made.folder / ".git"
    with pytest.raises(NoWorkTree):
        await inside.status()


@pytest.mark.parametrize("name", ["two words", "-dash", "ünï çödé", "line\nbreak", "quo'te\"", "$HOME;"])
async def test_a_folder_may_have_an_odd_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    made = MadeRepository(tmp_path / name)
    commit = made.commit()
    monkeypatch.chdir(tmp_path)
    repository = Repository(Path(name))
    assert (await repository.checkout()).git_dir == made.folder / ".git"
    last = await repository.last_commit()
    assert last
    assert last.hash == commit


async def test_those_who_ask_at_the_same_time_share_a_reading(made: MadeRepository, tmp_path: Path) -> None:
    count = 'echo once >> "$(dirname "$0")/count"; exec git "$@"'
    repository = Repository(made.folder, script(tmp_path, count))
    checkouts = await asyncio.gather(*(repository.checkout() for _ in range(50)))
    assert len(set(map(id, checkouts))) == 1
    assert (tmp_path / "count").read_text().split() == ["once"] * 2
    await repository.checkout()
    assert (tmp_path / "count").read_text().split() == ["once"] * 4


async def test_git_that_hangs_is_ended_though_nobody_asks_any_more(
    made: MadeRepository, tmp_path: Path, children: Children, skip_ahead: Callable[[float], None]
) -> None:
    repository = Repository(made.folder, script(tmp_path, "sleep 300 & wait"))
    asking = asyncio.create_task(repository.checkout())
    await until(lambda: len(children(recursive=True)) == 4)
    asking.cancel()
    skip_ahead(30)
    await until(lambda: children() == [])


async def test_one_who_waits_for_git_that_hangs_is_told(
    made: MadeRepository, tmp_path: Path, children: Children, patience: pytest.MonkeyPatch
) -> None:
    patience.undo()
    repository = Repository(made.folder, script(tmp_path, "sleep 300"))
    async with asyncio.timeout(60):
        with pytest.raises(CollectionFailed, match="git gave no answer within 2 s"):
            await repository.checkout()
    await until(lambda: children() == [])


async def test_a_head_that_becomes_a_fifo_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "HEAD")
    # Git itself would wait for it, had it not looked before.
    git = script(tmp_path, f"""case "$*" in *" rev-parse "*) printf '%s\\n' '{tmp_path}';; esac""")
    with pytest.raises(CollectionFailed, match="HEAD cannot be read: it is not a regular file"):
        await Repository(tmp_path, git).checkout()
