import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

from ci_server.domain.errors import UploadRefused, UploadTooLarge
from ci_server.intake.zip_directory import NOT_A_ZIP, read_directory
from ci_server.intake.zip_names import check_names, check_tests, shown

_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_SIZES_LATER = 0x8
_IN_EXTRA = 2**32 - 1
_READ, _UNPACKED = 64 * 1024, 256 * 1024
_RATIO_COUNTS_ABOVE = 10_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a zip may come to."""

    entries: int
    """Files and folders."""
    unpacked_bytes: int
    ratio: int
    """Of unpacked bytes to the zip's; what unpacks to 10 MB or less may have any."""


@dataclass(frozen=True, slots=True)
class _Packed:
    entry: ZipInfo
    start: int
    end: int


def check_zip(path: Path, limits: Limits, *, wants_tests: bool) -> None:
    """Look through a zip, all of it; nothing is written. It blocks, for as long as unpacking it would.

    What is good is: plain files and folders, named by relative paths of UTF-8, each once; stored or deflated,
    not encrypted, of exactly the sizes and checksums that it says; and within the limits. With `wants_tests`
    there is what pytest needs at the root. Raises UploadRefused and UploadTooLarge.
    """
    with path.open("rb") as file:
        entries, end = read_directory(file, limits.entries)
        check_names(entries, limits.entries)
        _check_methods(entries)
        _check_sizes(entries, limits, path.stat().st_size)
        if wants_tests:
            check_tests(entries)
        for packed in _apart(file, entries, end):
            _check_content(file, packed)


def _check_methods(entries: Sequence[ZipInfo]) -> None:
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED:
            raise UploadRefused(f"{shown(entry.orig_filename)} is encrypted; make the zip without a password")
        if entry.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise UploadRefused(
                f"{shown(entry.orig_filename)} is compressed by method {entry.compress_type}; "
                "only stored and deflated entries are supported"
            )


def _check_sizes(entries: Sequence[ZipInfo], limits: Limits, zip_size: int) -> None:
    total = sum(entry.file_size for entry in entries)
    if total > limits.unpacked_bytes:
        raise UploadTooLarge(
            f"What is in the zip has {total:,} bytes, and at most {limits.unpacked_bytes:,} are taken; "
            "leave out what the tests do not need"
        )
    if total > max(limits.ratio * zip_size, _RATIO_COUNTS_ABOVE):
        raise UploadTooLarge(f"What is in the zip is more than {limits.ratio:,} times as large as the zip")


def _apart(file: IO[bytes], entries: Sequence[ZipInfo], end: int) -> Iterator[_Packed]:
    """Where the contents are, in the file's order; no part of it before `end` belongs to two entries."""
    free = 0
    in_order = sorted(entries, key=lambda entry: entry.header_offset)
    if in_order[0].header_offset:
        raise UploadRefused("The zip has something before its first entry; make it anew, as a plain zip")
    for entry in in_order:
        packed = _located(file, entry)
        if entry.header_offset < free:
            raise UploadRefused(f"{shown(entry.orig_filename)} overlaps another entry of the zip")
        if packed.end > end:
            raise UploadRefused(NOT_A_ZIP)
        free = packed.end
        yield packed


def _located(file: IO[bytes], entry: ZipInfo) -> _Packed:
    file.seek(entry.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise UploadRefused(NOT_A_ZIP)
    mark, _, flags, method, _, _, crc, packed, unpacked, name_length, extra_length = _LOCAL.unpack(header)
    if mark != b"PK\3\4":
        raise UploadRefused(NOT_A_ZIP)
    same = (flags ^ entry.flag_bits) & _ENCRYPTED == 0 and method == entry.compress_type
    told = ((packed, entry.compress_size), (unpacked, entry.file_size), (crc, entry.CRC))
    if not flags & _SIZES_LATER:
        same = same and all(here in {there, _IN_EXTRA} for here, there in told)
    if not same or file.read(name_length) != entry.orig_filename.encode():
        raise UploadRefused(
            f"{shown(entry.orig_filename)} has two headers in the zip that differ; make it anew"
        )
    start = entry.header_offset + _LOCAL.size + name_length + extra_length
    return _Packed(entry, start, start + entry.compress_size)


def _check_content(file: IO[bytes], packed: _Packed) -> None:
    entry, size, checksum = packed.entry, 0, 0
    try:
        for part in _unpacked(file, packed):
            size, checksum = size + len(part), zlib.crc32(part, checksum)
            if size > entry.file_size:
                break
    except (zlib.error, EOFError):
        raise _damaged(entry) from None
    if size != entry.file_size or checksum != entry.CRC:
        raise _damaged(entry)


def _unpacked(file: IO[bytes], packed: _Packed) -> Iterator[bytes]:
    """In parts of bounded size. Raises EOFError where the data ends too early or too late."""
    if packed.entry.compress_type == ZIP_STORED:
        yield from _raw(file, packed)
        return
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    for data in _raw(file, packed):
        rest = data
        while rest:
            yield inflating.decompress(rest, _UNPACKED)
            rest = inflating.unconsumed_tail
            if inflating.unused_data:
                raise EOFError
    while not inflating.eof:
        if not (part := inflating.decompress(b"", _UNPACKED)):
            raise EOFError
        yield part


def _raw(file: IO[bytes], packed: _Packed) -> Iterator[bytes]:
    file.seek(packed.start)
    left = packed.end - packed.start
    while left:
        data = file.read(min(left, _READ))
        if not data:
            raise EOFError
        left -= len(data)
        yield data


def _damaged(entry: ZipInfo) -> UploadRefused:
    return UploadRefused(
        f"{shown(entry.orig_filename)} in the zip is damaged, or not of the size it says; make the zip anew"
    )
