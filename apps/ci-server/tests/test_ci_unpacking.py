import os
import stat
import zipfile
from pathlib import Path
from threading import Event

import pytest

from ci_server.runners.unpacking import remove_tree, unpack
from ci_server.running.runner import CannotRun


def zipped(folder: Path, *entries: tuple[str, bytes, int]) -> Path:
    path = folder / "project.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_keep_their_content_and_whether_they_may_be_run(tmp_path: Path) -> None:
    entries = [("a/b.txt", b"b", 0o100600), ("run", b"#!", 0o104711), ("empty/", b"", 0o40777), ("c", b"", 0)]
    unpack(zipped(tmp_path, *entries), tmp_path / "new", max_bytes=3, max_entries=4)
    new = tmp_path / "new"
    assert (new / "a" / "b.txt").read_bytes() == b"b"
    assert [mode_of(new / name) for name in ("a/b.txt", "run", "c")] == [0o644, 0o755, 0o644]
    assert (new / "empty").is_dir()


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", ".."])
def test_what_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotRun, match="leads out of it"):
        unpack(zipped(tmp_path, (name, b"", 0)), tmp_path / "new", max_bytes=9, max_entries=9)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(CannotRun, match="no plain file"):
        unpack(
            zipped(tmp_path, ("x", b"/etc/passwd", kind | 0o777)),
            tmp_path / "new",
            max_bytes=99,
            max_entries=9,
        )


def test_more_bytes_or_entries_than_allowed_are_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a", b"12345", 0), ("b", b"12345", 0))
    with pytest.raises(CannotRun, match="CI_MAX_UNPACKED_MB"):
        unpack(archive, tmp_path / "1", max_bytes=9, max_entries=9)
    with pytest.raises(CannotRun, match="2 entries, and may have 1"):
        unpack(archive, tmp_path / "2", max_bytes=10, max_entries=1)
    unpack(archive, tmp_path / "3", max_bytes=10, max_entries=2)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b", "a")], ids="-".join)
def test_two_entries_in_one_place_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = zipped(tmp_path, *((name, b"x", 0) for name in names))
    with pytest.raises(CannotRun, match="two entries in one place"):
        unpack(archive, tmp_path / "new", max_bytes=9, max_entries=9)


def test_a_zip_that_is_none_or_damaged_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a", os.urandom(1000), 0))
    damaged = bytearray(archive.read_bytes())
    damaged[200:210] = bytes(10)
    archive.write_bytes(damaged)
    with pytest.raises(CannotRun, match="cannot be unpacked"):
        unpack(archive, tmp_path / "1", max_bytes=9999, max_entries=9)
    archive.write_bytes(b"no zip")
    with pytest.raises(CannotRun, match="cannot be unpacked"):
        unpack(archive, tmp_path / "2", max_bytes=9999, max_entries=9)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="rename what it names"):
        unpack(zipped(tmp_path, ("x" * 300, b"", 0)), tmp_path / "new", max_bytes=9, max_entries=9)


def test_what_nobody_waits_for_ends(tmp_path: Path) -> None:
    abandoned = Event()
    abandoned.set()
    archive = zipped(tmp_path, ("a", b"x", 0), ("b", b"x", 0))
    unpack(archive, tmp_path / "new", max_bytes=9, max_entries=9, abandoned=abandoned)
    assert not (tmp_path / "new" / "b").exists()


def test_a_folder_is_removed_whatever_is_in_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "shut" / "in").mkdir(parents=True)
    (tree / "shut").chmod(0)
    (tree / "link").symlink_to(tmp_path)
    folder = os.open(tree, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("deep", dir_fd=folder)
        inner = os.open("deep", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []
    remove_tree(tree)


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("other")
    remove_tree(tmp_path / "link")
    assert (tmp_path / "other").is_dir()
