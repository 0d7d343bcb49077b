import re
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from zipfile import ZipInfo

from ci_server.domain.errors import UploadRefused, UploadTooLarge

_LONGEST_PART, _LONGEST_PATH = 255, 4096
_UNICODE_PATH = 0x7075
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_OF_MACOS = "__MACOSX"
_DEPENDENCIES = ("requirements.txt", "pyproject.toml")


def shown(name: str) -> str:
    """A name for the text of an error: quoted, and not all of a long one."""
    return repr(name if len(name) <= 100 else f"{name[:100]}…")  # noqa: PLR2004  # as good as any


def check_names(entries: Sequence[ZipInfo], most: int) -> None:
    """Raises UploadRefused for names that are no relative paths, that are there twice, or are no plain files.

    Raises UploadTooLarge for more than `most` files and folders, with those that have no entry of their own.
    """
    for entry in entries:
        if why := _fault_of(entry):
            raise UploadRefused(f"The zip has an entry {shown(entry.orig_filename)}, {why}")
    _check_tree(sorted(entry.orig_filename.replace("/", "\0") for entry in entries), most)


def check_tests(entries: Iterable[ZipInfo]) -> None:
    """Raises UploadRefused where pytest would find no tests, or nothing that says what they need."""
    names = {entry.orig_filename for entry in entries}
    if not (missing := _missing(names)):
        return
    why = f"At the root of the zip there is no {' and no '.join(missing)}"
    tops = {name.partition("/")[0] for name in names} - {_OF_MACOS}
    top = min(tops, default="")
    if len(tops) == 1 and not _missing({name.removeprefix(f"{top}/") for name in names}):
        raise UploadRefused(
            f"{why}: everything is in the folder {shown(top)}. Zip what is in it: "
            "cd into the folder, then `zip -r ../project.zip .`"
        )
    raise UploadRefused(f"{why}. Add that, or say in the field `command` what to run")


def _missing(names: Iterable[str]) -> list[str]:
    tests = any(name.startswith("tests/") for name in names)
    told = any(name in _DEPENDENCIES for name in names)
    return [what for what, there in (("tests/", tests), (" or ".join(_DEPENDENCIES), told)) if not there]


def _fault_of(entry: ZipInfo) -> str | None:
    name = entry.orig_filename
    return _fault_of_name(name) or _fault_of_kind(entry) or _fault_of_second_name(entry)


def _fault_of_name(name: str) -> str | None:
    parts = name.removesuffix("/").split("/")
    if _CONTROL.search(name):
        return "whose name has control characters"
    if name.startswith("/") or _DRIVE.match(name):
        return "which is an absolute path; make it relative to the project"
    if "\\" in name:
        return "whose name has a backslash; folders are separated by /"
    if any(part in {"", ".", ".."} for part in parts):
        return "whose path has a part that is empty, '.' or '..'"
    if len(name.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in parts):
        return f"whose name is too long: at most {_LONGEST_PART} bytes a part, and {_LONGEST_PATH} in all"
    return None


def _fault_of_kind(entry: ZipInfo) -> str | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    folder = entry.orig_filename.endswith("/")
    if kind == stat.S_IFLNK:
        return "which is a symbolic link; put in what it points to (zip without -y does)"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "which is neither a file nor a folder"
    if kind and (kind == stat.S_IFDIR) != folder:
        return "which is a folder by its mode or its name, and by the other not"
    if folder and (entry.file_size or entry.compress_size not in {0, 2}):
        return "which is a folder and has a content"
    return None


def _fault_of_second_name(entry: ZipInfo) -> str | None:
    extra = entry.extra
    while len(extra) >= 4:  # noqa: PLR2004  # the size of a header of an extra field
        kind, length = struct.unpack_from("<HH", extra)
        if kind == _UNICODE_PATH and extra[9 : 4 + length] != entry.orig_filename.encode():
            return "which has another name in an extra field"
        extra = extra[4 + length :]
    return None


def _check_tree(paths: Sequence[str], most: int) -> None:
    """Of sorted paths, with NUL between the parts, so that what is in a folder comes right after it."""
    count = 0
    for before, path in _neighbours(paths):
        if path.rstrip("\0") == before.rstrip("\0"):
            raise UploadRefused(f"The zip has two entries {shown(path.strip(chr(0)).replace(chr(0), '/'))}")
        if before and not before.endswith("\0") and path.startswith(f"{before}\0"):
            raise UploadRefused(f"In the zip {shown(before.replace(chr(0), '/'))} is a file and a folder")
        count += _new_parts(before, path)
        if count > most:
            raise UploadTooLarge(f"A zip has at most {most:,} files and folders")


def _neighbours(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(["", *paths], paths, strict=False)


def _new_parts(before: str, path: str) -> int:
    old, new = before.rstrip("\0").split("\0"), path.rstrip("\0").split("\0")
    same = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    return len(new) - same
