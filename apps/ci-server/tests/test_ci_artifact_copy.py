import os
import socket
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs

from ci_server.runners.globs import matcher
from ci_server.runners.process.artifact_copy import copy_artifacts


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("junit.xml", "junit.xml"),
        ("htmlcov/**", "htmlcov/a/b.html"),
        ("htmlcov/**", "htmlcov/index.html"),
        ("htmlcov", "htmlcov/index.html"),
        ("./reports/*.xml", "reports/a.xml"),
        ("**/*.log", "a.log"),
        ("**/*.log", "a/b/c.log"),
        ("a/**/z", "a/z"),
        ("a/**/z", "a/b/c/z"),
        ("?.txt", "x.txt"),
        ("a[1].txt", "a[1].txt"),
        ("**", "a/b"),
        ("/top", "top"),
    ],
)
def test_a_glob_matches(glob: str, path: str) -> None:
    assert matcher([glob])(path)
    assert matcher(["other", glob])(path)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("junit.xml", "a/junit.xml"),
        ("junit.xml", "junit_xml"),
        ("*.xml", "a/b.xml"),
        ("htmlcov/**", "htmlcov2/a"),
        ("?.txt", "xx.txt"),
        ("?.txt", "/.txt"),
        ("**/*.log", "a.log.old"),
        ("reports/*.xml", "reports/a/b.xml"),
    ],
)
def test_a_glob_does_not_match(glob: str, path: str) -> None:
    assert not matcher([glob])(path)
    assert not matcher([])(path)


def test_regular_files_are_copied_and_nothing_else(tmp_path: Path) -> None:
    project, into = tmp_path / "project", tmp_path / "kept"
    (project / "a" / "b").mkdir(parents=True)
    (project / "a" / "b" / "c.txt").write_text("c")
    (project / "unwanted.py").write_text("")
    (tmp_path / "secret").write_text("planted")
    (project / "link").symlink_to(tmp_path / "secret")
    (project / "folder").symlink_to(tmp_path)
    os.mkfifo(project / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(project / "socket"))
        copy_artifacts(project, lambda path: not path.endswith(".py"), into, Event())
    assert [path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()] == ["a/b/c.txt"]
    assert (into / "a" / "b" / "c.txt").read_text() == "c"


def test_a_project_that_became_a_link_has_no_artifacts(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("planted")
    (tmp_path / "project").symlink_to("secret")
    copy_artifacts(tmp_path / "project", lambda _: True, tmp_path / "kept", Event())
    assert list((tmp_path / "kept").iterdir()) == []


def test_there_may_be_so_many_files_and_no_more(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for number in range(10_001):
        (project / f"{number:05}").touch()
    with capture_logs() as logs:
        copy_artifacts(project, lambda _: True, tmp_path / "kept", Event())
    assert len(list((tmp_path / "kept").iterdir())) == 10_000
    assert [entry["event"] for entry in logs] == ["artifacts_left_out"]


def test_a_file_of_more_than_there_may_be_is_left_out(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a").write_text("a")
    with (project / "b").open("wb") as file:
        file.truncate(1024**3)
    with capture_logs() as logs:
        copy_artifacts(project, lambda _: True, tmp_path / "kept", Event())
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["a"]
    assert [entry["event"] for entry in logs] == ["artifacts_left_out"]


def test_names_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / os.fsdecode(b"\xff.txt")).touch()
    (project / "ä.txt").touch()
    copy_artifacts(project, lambda _: True, tmp_path / "kept", Event())
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["ä.txt"]


def test_copying_ends_when_nobody_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a").touch()
    abandoned = Event()
    abandoned.set()
    copy_artifacts(tmp_path / "project", lambda _: True, tmp_path / "kept", abandoned)
    assert list((tmp_path / "kept").iterdir()) == []
