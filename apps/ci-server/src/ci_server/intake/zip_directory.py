import os
import struct
import zipfile
from dataclasses import dataclass
from typing import IO

from ci_server.domain.errors import UploadRefused, UploadTooLarge

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 2**16 - 1
_SMALLEST_ENTRY = 46
_BYTES_PER_ENTRY = 1024
_IN_64 = (2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1)
NOT_A_ZIP = "It is not a zip, or not a whole one; make it anew, with `zip -r project.zip .` for one"


@dataclass(frozen=True, slots=True)
class _End:
    entries: int
    size: int
    offset: int
    at: int
    """Where this stands itself, right after the directory."""


def read_directory(file: IO[bytes], most_entries: int) -> tuple[list[zipfile.ZipInfo], int]:
    """The entries of a zip as its central directory has them, and where that begins in the file.

    Nothing else may be between there and the end. How large it is, is known before it is read. Raises
    UploadRefused and UploadTooLarge.
    """
    end = _end_of(file)
    if end.entries > most_entries:
        raise UploadTooLarge(f"A zip has at most {most_entries:,} entries, and this one {end.entries:,}")
    if not end.entries:
        raise UploadRefused("The zip is empty; put the project into it")
    if end.size > most_entries * _BYTES_PER_ENTRY:
        raise UploadTooLarge(f"The directory of the zip has {end.size:,} bytes; shorten the names in it")
    if end.offset + end.size != end.at:
        raise UploadRefused("The zip has bytes that belong to nothing; make it anew, as a plain zip")
    if end.size < end.entries * _SMALLEST_ENTRY:
        raise UploadRefused(NOT_A_ZIP)
    entries = _entries_of(file)
    if len(entries) != end.entries:
        raise UploadRefused(f"The zip says that it has {end.entries:,} entries, and has {len(entries):,}")
    return entries, end.offset


def _entries_of(file: IO[bytes]) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file, metadata_encoding="utf-8") as archive:
            return archive.infolist()
    except UnicodeDecodeError:
        raise UploadRefused(
            "A name in the zip is not UTF-8; rename it, or make the zip with UTF-8 names"
        ) from None
    except NotImplementedError as error:
        raise UploadRefused(f"The zip uses a feature that is not supported: {error}") from None
    except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, IndexError):
        raise UploadRefused(NOT_A_ZIP) from None


def _end_of(file: IO[bytes]) -> _End:
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise UploadRefused(NOT_A_ZIP)
    _, disk, first_disk, here, entries, length, offset, comment = _END.unpack_from(tail, at)
    if len(tail) - at - _END.size != comment:
        raise UploadRefused("The zip is cut off, or something was appended to it; make it anew")
    if disk or first_disk or here != entries:
        raise UploadRefused("The zip is one of several volumes; make a single one")
    at += start
    return _end64_of(file, at, (here, entries, length, offset)) or _End(entries, length, offset, at)


def _end64_of(file: IO[bytes], end: int, told: tuple[int, ...]) -> _End | None:
    """The end of a zip of more than 4 GB or 65,535 entries, which comes before the other."""
    at = end - _END64_LOCATOR.size - _END64.size
    if at < 0:
        return None
    file.seek(at)
    record = file.read(_END64.size + _END64_LOCATOR.size)
    signature, disk, offset, disks = _END64_LOCATOR.unpack_from(record, _END64.size)
    if signature != b"PK\6\7":
        return None
    mark, length, _, _, number, first_disk, *true = _END64.unpack_from(record)
    said_so = all(short in (marker, value) for short, marker, value in zip(told, _IN_64, true, strict=True))
    plain = (mark, length, number, first_disk, disk, offset) == (b"PK\6\6", _END64.size - 12, 0, 0, 0, at)
    if not plain or disks > 1 or not said_so or true[0] != true[1]:
        raise UploadRefused(NOT_A_ZIP)
    _, entries, size, start = true
    return _End(entries, size, start, at)
