"""Which files belong to a project, and the zip of them."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from ci_client import NothingToSubmit, UnreadableProject
from ci_client.project.archive import zipped
from ci_client.project.git import current_branch, current_commit
from ci_client.project.listing import list_project

Write = Callable[..., Path]


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def names(folder: Path) -> list[str]:
    return [file.name for file in list_project(folder).files]


@pytest.fixture
def repository(tmp_path: Path, write: Write) -> Path:
    """With a file of each kind: tracked, new, ignored."""
    git(tmp_path, "init", "-b", "main")
    write(".gitignore", "*.log\nbuild/\n!kept.log\n")
    write("src/it.py", "it")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    write("tests/test_it.py")
    write("a.log")
    write("kept.log")
    write("build/out.o")
    write(".env.example")
    return tmp_path


KEPT = [".env.example", ".gitignore", "kept.log", "src/it.py", "tests/test_it.py"]


@pytest.fixture
def no_git(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("nothing")))


def test_in_a_repository_it_is_what_git_tracks_or_would_track(repository: Path) -> None:
    assert names(repository) == KEPT


def test_without_git_the_ignore_files_say_the_same(repository: Path, no_git: None) -> None:
    listing = list_project(repository)
    assert [file.name for file in listing.files] == KEPT
    [warning] = listing.warnings
    assert warning == (
        "Git was not asked what belongs to the project, its .gitignore files were: "
        "git cannot be run: No such file or directory."
    )


@pytest.mark.parametrize("has_git", [True, False])
def test_ignore_files_of_folders_above_and_below_count(
    repository: Path, write: Write, has_git: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("app/.gitignore", "/only_here\n!b.log\n*.tmp\n!sub/deep.tmp\n")
    for name in ("only_here", "sub/only_here", "a.log", "b.log", "x.tmp", "sub/deep.tmp", "build/x", "it.py"):
        write(f"app/{name}")
    write(".git/info/exclude", "secret.txt\n")
    write("app/secret.txt")
    if not has_git:
        monkeypatch.setenv("PATH", "")
    assert names(repository / "app") == [".gitignore", "b.log", "it.py", "sub/deep.tmp", "sub/only_here"]


@pytest.mark.parametrize("in_repository", [True, False])
def test_a_hidden_folder_above_the_project_hides_nothing(tmp_path: Path, in_repository: bool) -> None:
    project = tmp_path / ".hidden" / ".venv" / "project"
    (project / "tests").mkdir(parents=True)
    (project / "tests" / "test_it.py").write_text("")
    if in_repository:
        git(project, "init")
    assert names(project) == ["tests/test_it.py"]


def test_outside_of_a_repository_it_is_all_but_hidden_folders_and_caches(
    tmp_path: Path, write: Write
) -> None:
    for name in (".venv/a", ".tox/a", ".idea/a", "node_modules/a", "__pycache__/a", "src/__pycache__/a"):
        write(name)
    write("env/pyvenv.cfg")
    write("env/lib/a.py")
    write("sub/.git/config")
    for name in (".coveragerc", "setup.py", "src/.hidden/a", "tests/test_it.py"):
        write(name)
    assert names(tmp_path) == [".coveragerc", "setup.py", "src/.hidden/a", "tests/test_it.py"]


def test_what_was_deleted_and_is_tracked_is_no_fault(repository: Path) -> None:
    (repository / "src" / "it.py").unlink()
    listing = list_project(repository)
    assert "src/it.py" not in [file.name for file in listing.files]
    assert listing.warnings == []


def test_a_file_in_conflict_comes_once(repository: Path, write: Write) -> None:
    git(repository, "checkout", "-b", "other")
    for branch, text in (("other", "mine"), ("main", "yours")):
        git(repository, "checkout", branch)
        write("src/it.py", text)
        git(repository, "commit", "-am", text)
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "other")
    assert names(repository) == KEPT


def test_submodules_and_repositories_within_are_looked_into(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, write: Write
) -> None:
    library = tmp_path_factory.mktemp("library")
    (library / "lib.py").write_text("")
    git(library, "init")
    git(library, "add", ".")
    git(library, "commit", "-m", "library")
    git(repository, "submodule", "add", str(library), "libs/library")
    git(repository, "submodule", "add", str(library), "libs/empty")
    git(repository, "commit", "-m", "submodules")
    git(repository, "submodule", "deinit", "-f", "libs/empty")
    write("nested/it.py")
    write("nested/.gitignore", "x\n")
    write("nested/x")
    git(repository / "nested", "init")
    listing = list_project(repository)
    found = [file.name for file in listing.files if file.name.startswith(("libs", "nested"))]
    assert found == ["libs/library/lib.py", "nested/.gitignore", "nested/it.py"]
    assert listing.warnings == [
        "The submodule libs/empty is empty: `git submodule update --init` fetches it."
    ]


@pytest.mark.parametrize("in_repository", [True, False])
def test_names_may_hold_anything_that_a_zip_can(tmp_path: Path, in_repository: bool) -> None:
    if in_repository:
        git(tmp_path, "init")
    wanted = ['a "quoted" name', "übung ✓.py", "-x", " ", "*"]
    for name in (*wanted, "line\nbreak", "back\\slash", "C:drive"):
        (tmp_path / name).write_text(name)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/not-\xff-utf8")).write_text("")
    listing = list_project(tmp_path)
    assert [file.name for file in listing.files] == sorted(wanted)
    no_zip = "is left out: its name has control characters, a backslash or a drive, which no zip may have."
    assert sorted(listing.warnings) == [
        f"'line\\nbreak' {no_zip}",
        f"C:drive {no_zip}",
        f"back\\slash {no_zip}",
        "not-\ufffd-utf8 is left out: its name is no UTF-8, which a zip cannot hold.",
    ]
    with zipped(listing.files) as archive, ZipFile(archive) as opened:
        assert {name: opened.read(name).decode() for name in opened.namelist()} == {n: n for n in wanted}


@pytest.mark.parametrize("in_repository", [True, False])
def test_links_are_followed_within_the_project_and_left_out_otherwise(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, write: Write, in_repository: bool
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("secret")
    write("data/real.txt", "real")
    for name, target in {
        "file": "data/real.txt",
        "folder": "data",
        "data/loop": "../data",
        "all": ".",
        "broken": "nowhere",
        "round": "round",
        "out": str(outside / "secret"),
        "out-folder": str(outside),
    }.items():
        (tmp_path / name).symlink_to(target)
    if in_repository:
        git(tmp_path, "init")
    listing = list_project(tmp_path)
    assert [file.name for file in listing.files] == ["data/real.txt", "file", "folder/real.txt"]
    assert sorted(listing.warnings) == [
        "all is left out: it is a link to a folder that it is in.",
        "broken is left out: it is a link that leads nowhere.",
        "data/loop is left out: it is a link to a folder that it is in.",
        "out is left out: it is a link that leads out of the project.",
        "out-folder is left out: it is a link that leads out of the project.",
        "round is left out: it is a link that leads nowhere.",
    ]
    with zipped(listing.files) as archive, ZipFile(archive) as opened:
        assert opened.read("folder/real.txt") == opened.read("file") == b"real"
        assert all((info.external_attr >> 28) == 0o10 for info in opened.infolist())


def test_a_pipe_is_left_out(tmp_path: Path, write: Write) -> None:
    write("it.py")
    os.mkfifo(tmp_path / "pipe")
    listing = list_project(tmp_path)
    assert [file.name for file in listing.files] == ["it.py"]
    assert listing.warnings == ["pipe is left out: it is no file."]


def test_a_hook_of_another_repository_does_not_mislead(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-b", "elsewhere")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert names(repository) == KEPT
    assert current_branch(repository) == "main"


def test_branch_and_commit_are_those_that_are_checked_out(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    commit = current_commit(repository)
    assert commit
    assert len(commit) == 40
    git(repository, "checkout", "--detach")
    assert (current_branch(repository), current_commit(repository)) == (None, commit)
    outside = tmp_path_factory.mktemp("outside")
    assert (current_branch(outside), current_commit(outside)) == (None, None)
    git(outside, "init", "-b", "unborn/one")
    assert (current_branch(outside), current_commit(outside)) == ("unborn/one", None)


def test_a_repository_that_git_does_not_trust_is_read_by_its_ignore_files(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    listing = list_project(repository)
    assert [file.name for file in listing.files] == KEPT
    assert "dubious ownership" in listing.warnings[0]


def test_nothing_to_submit_is_told_with_what_was_looked_at(tmp_path: Path, write: Write) -> None:
    with pytest.raises(NothingToSubmit, match="it has no file outside of hidden folders and caches"):
        list_project(tmp_path)
    with pytest.raises(NothingToSubmit, match=r"There is no folder .*name that of the project with --path"):
        list_project(tmp_path / "none")
    git(tmp_path, "init")
    write(".git/info/exclude", "build/\n")
    write("build/it.py")
    with pytest.raises(
        NothingToSubmit, match=r"git repository .* tracks no file there, .*git status --ignored"
    ):
        list_project(tmp_path / "build")


def test_a_zip_is_in_order_compressed_and_gone_afterwards(tmp_path: Path, write: Write) -> None:
    for name in ("b/2.txt", "a.txt", "b/1.txt"):
        write(name, "text " * 1000)
    (tmp_path / "a.txt").chmod(0o755)
    os.utime(tmp_path / "a.txt", (0, 0))
    read = list[int]()
    with zipped(list_project(tmp_path).files, read.append) as archive:
        with ZipFile(archive) as opened:
            assert opened.namelist() == ["a.txt", "b/1.txt", "b/2.txt"]
            assert opened.getinfo("a.txt").external_attr >> 16 & 0o111
            assert opened.testzip() is None
        assert sum(read) == 15_000 > archive.stat().st_size
        assert archive.stat().st_mode & 0o77 == 0
    assert not archive.exists()


def test_a_file_that_goes_while_it_is_zipped_is_left_out(tmp_path: Path, write: Write) -> None:
    write("a.py")
    files = list_project(write("b.py").parent).files
    (tmp_path / "a.py").unlink()
    with zipped(files) as archive, ZipFile(archive) as opened:
        assert opened.namelist() == ["b.py"]


def test_what_cannot_be_read_is_named(tmp_path: Path, write: Write) -> None:
    files = list_project(write("a.py").parent).files
    (tmp_path / "a.py").unlink()
    (tmp_path / "a.py").mkdir()
    with pytest.raises(UnreadableProject, match=r"a\.py cannot be read: Is a directory\."), zipped(files):
        pass
