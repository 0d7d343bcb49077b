"""Zips are looked through before anything of them is used: good ones pass, and nothing else does."""

import io
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from ci_zips import HOSTILE, MEGABYTE, PROJECT, Entry, a_million_entries, a_zip, written
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ci_server.domain.errors import UploadRefused, UploadTooLarge
from ci_server.intake.zip_check import Limits, check_zip

LIMITS = Limits(entries=20_000, unpacked_bytes=1000 * MEGABYTE, ratio=100)

_parts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/\\:"))
_paths = st.lists(_parts.filter(lambda part: part not in {"", ".", ".."} and len(part) < 60), min_size=1)
_names = _paths.filter(lambda parts: len(parts) < 8).map("/".join)
_files = st.dictionaries(_names, st.binary(max_size=300), min_size=1, max_size=6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def _check(folder: Path, data: bytes, limits: Limits = LIMITS, *, wants_tests: bool = False) -> None:
    path = folder / "project.zip"
    path.write_bytes(data)
    check_zip(path, limits, wants_tests=wants_tests)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_and_told_why(folder: Path, name: str) -> None:
    make, why = HOSTILE[name]
    with pytest.raises(UploadRefused) as caught:
        _check(folder, make())
    assert why in str(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_project_is_good(folder: Path, method: int) -> None:
    _check(folder, a_zip(PROJECT, method), wants_tests=True)


def _made(write: str, *, force_zip64: bool) -> bytes:
    """As tools write zips that do not know the sizes beforehand, or have large ones."""
    buffer = io.BytesIO()

    class Unseekable(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            return buffer.write(data)

    target = Unseekable() if write == "stream" else buffer
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name, content in PROJECT.items():
            with archive.open(name, "w", force_zip64=force_zip64) as file:
                file.write(content)
        archive.comment = b"a comment" if write == "comment" else b""
    return buffer.getvalue()


@pytest.mark.parametrize("write", ["stream", "file", "comment"])
@pytest.mark.parametrize("large", [False, True])
def test_zips_of_many_tools_are_good(folder: Path, write: str, large: bool) -> None:
    _check(folder, _made(write, force_zip64=large), wants_tests=True)


def test_more_entries_than_old_zips_have_are_good_where_they_may_be(folder: Path) -> None:
    many = a_zip({f"tests/{number}": b"" for number in range(66_000)}, zipfile.ZIP_STORED)
    _check(folder, many, Limits(70_000, MEGABYTE, 100))
    with pytest.raises(UploadTooLarge, match="at most 20,000 entries, and this one 66,000"):
        _check(folder, many)


def test_folders_may_have_entries(folder: Path) -> None:
    names = [b"tests/", b"tests/a/", b"tests/a/b.py", b"c/", b"c.py", b"c-d"]
    _check(folder, written([Entry(name, mode=0o040755 if name.endswith(b"/") else 0) for name in names]))


def test_names_may_be_utf_8_without_saying_so(folder: Path) -> None:
    _check(folder, written([Entry("tests/größe.py".encode(), flags=0)]))


@given(_files)
@example({"a": b"", "a.b": b"", "a-b": b"", "b/a": b"", "b": b""} | {"b": b""})
@example({"x" * 255: b""})
def test_honest_zips_are_good(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    names = list(files)
    assume(not any(other.startswith(f"{name}/") for name in names for other in names))
    assume(all(len(part.encode()) <= 255 for name in names for part in name.split("/")))
    _check(tmp_path_factory.mktemp("zip"), a_zip(files))


@given(st.data())
def test_what_is_mutated_is_good_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    zip_ = bytearray(
        data.draw(st.sampled_from([a_zip(), _made("stream", force_zip64=True), a_million_entries()]))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        zip_[data.draw(st.integers(0, len(zip_) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("zip")
    try:
        _check(folder, bytes(zip_), wants_tests=True)
    except UploadRefused:
        return
    with zipfile.ZipFile(folder / "project.zip", metadata_encoding="utf-8") as archive:
        archive.extractall(folder / "unpacked")
    assert {path.name for path in folder.iterdir()} == {"project.zip", "unpacked"}


@given(st.binary(max_size=200))
def test_what_is_no_zip_is_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    with pytest.raises(UploadRefused):
        _check(tmp_path_factory.mktemp("zip"), data)


@pytest.mark.parametrize(
    ("limits", "files", "why"),
    [
        (Limits(3, MEGABYTE, 100), {"a": b"", "b": b"", "c": b""}, None),
        (Limits(2, MEGABYTE, 100), {"a": b"", "b": b"", "c": b""}, "at most 2 entries"),
        (Limits(3, MEGABYTE, 100), {"a/b/c": b""}, None),
        (Limits(2, MEGABYTE, 100), {"a/b/c": b""}, "at most 2 files and folders"),
        (Limits(5, MEGABYTE, 100), {"a/b": b"", "a/c": b"", "a/d/e": b""}, None),
        (Limits(4, MEGABYTE, 100), {"a/b": b"", "a/c": b"", "a/d/e": b""}, "at most 4 files and folders"),
        (Limits(9, 30, 100), {"a": bytes(20), "b": bytes(10)}, None),
        (Limits(9, 29, 100), {"a": bytes(20), "b": bytes(10)}, "has 30 bytes, and at most 29"),
        (Limits(9, 20 * MEGABYTE, 2), {"a": bytes(10 * MEGABYTE)}, None),
        (Limits(9, 20 * MEGABYTE, 2), {"a": bytes(10 * MEGABYTE + 1)}, "more than 2 times"),
    ],
)
def test_limits_hold_on_both_sides(
    folder: Path, limits: Limits, files: dict[str, bytes], why: str | None
) -> None:
    if not why:
        _check(folder, a_zip(files), limits)
        return
    with pytest.raises(UploadTooLarge) as caught:
        _check(folder, a_zip(files), limits)
    assert why in str(caught.value)


def test_the_ratio_is_that_of_the_whole_zip(folder: Path) -> None:
    packed = {"a": bytes(11 * MEGABYTE), "b": b""}
    size = len(a_zip(packed))
    ratio = 11 * MEGABYTE // size
    with pytest.raises(UploadTooLarge):
        _check(folder, a_zip(packed), Limits(9, 20 * MEGABYTE, ratio))
    _check(folder, a_zip(packed), Limits(9, 20 * MEGABYTE, ratio + 1))


def test_names_have_limits_on_both_sides(folder: Path) -> None:
    longest = "/".join(["d" * 255] * 16)
    assert len(longest) == 4095
    _check(folder, a_zip({longest: b""}))
    _check(folder, a_zip({"ä" * 127: b""}))
    with pytest.raises(UploadRefused, match="too long"):
        _check(folder, a_zip({"ä" * 128: b""}))
    with pytest.raises(UploadRefused, match="too long"):
        _check(folder, a_zip({f"{longest}/d": b""}))


def test_a_directory_of_long_names_is_not_read(folder: Path) -> None:
    with pytest.raises(UploadTooLarge, match="directory of the zip has"):
        _check(folder, a_zip({"/".join(["d" * 200] * 6): b""}), Limits(1, MEGABYTE, 1))


def test_neither_a_bomb_nor_a_directory_takes_memory(folder: Path) -> None:
    bomb = a_zip({"requirements.txt": bytes(50 * MEGABYTE)})
    tracemalloc.start()
    try:
        _check(folder, bomb, Limits(9, 50 * MEGABYTE, 10**6))
        with pytest.raises(UploadTooLarge):
            _check(folder, a_million_entries())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * MEGABYTE


def test_a_content_that_lies_is_unpacked_no_further_than_it_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying = written([Entry(b"a", bytes(20 * MEGABYTE), size=100)])
    unpacked = list[int]()
    checksum = zlib.crc32

    def counted(data: bytes, start: int = 0) -> int:
        unpacked.append(len(data))
        return checksum(data, start)

    monkeypatch.setattr(zlib, "crc32", counted)
    with pytest.raises(UploadRefused, match="damaged"):
        _check(folder, lying)
    assert 100 < sum(unpacked) < MEGABYTE


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["tests/test_a.py", "requirements.txt"], None),
        (["tests/", "pyproject.toml"], None),
        (["tests/test_a.py"], "there is no requirements.txt or pyproject.toml. Add"),
        (["requirements.txt"], "there is no tests/. Add"),
        (["src/tests/a.py", "pyproject.toml"], "there is no tests/. Add"),
        (["tests", "pyproject.toml"], "there is no tests/. Add"),
        (["README"], "there is no tests/ and no requirements.txt or pyproject.toml. Add"),
        (["p/tests/a.py", "p/setup.py"], "Add that, or say in the field `command`"),
        (["p/tests/a.py", "p/pyproject.toml"], "everything is in the folder 'p'. Zip what is in it"),
        (["p/", "p/tests/a.py", "p/pyproject.toml", "__MACOSX/p/x"], "everything is in the folder 'p'"),
        (["p/tests/a.py", "p/pyproject.toml", "q/a"], "Add that, or say"),
    ],
)
def test_without_a_command_there_have_to_be_tests(folder: Path, names: list[str], why: str | None) -> None:
    data = a_zip(dict.fromkeys(names, b""))
    _check(folder, data)
    if not why:
        _check(folder, data, wants_tests=True)
        return
    with pytest.raises(UploadRefused) as caught:
        _check(folder, data, wants_tests=True)
    assert why in str(caught.value)


def test_texts_are_short_and_printable(folder: Path) -> None:
    with pytest.raises(UploadRefused) as caught:
        _check(folder, a_zip({"x" * 3000 + "\x1b": b""}))
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_what_pythons_own_zipfile_makes_is_read_alike(folder: Path) -> None:
    path = folder / "self.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(Path(sys.modules["zipfile"].__file__ or "").parent.glob("*.py"))[:50]:
            archive.write(file, f"tests/{file.name}")
    check_zip(path, LIMITS, wants_tests=False)
