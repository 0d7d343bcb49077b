"""Zips as they should be, and as they should not."""

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

PROJECT = {"requirements.txt": b"", "tests/test_it.py": b"def test_it(): pass\n"}
MEGABYTE = 1_000_000


def a_zip(files: Mapping[str, bytes] = PROJECT, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass(frozen=True)
class Entry:
    """What is written of an entry of a zip, each header by itself."""

    name: bytes
    content: bytes = b""
    """Unpacked."""
    packed: bytes | None = None
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    method: int = zipfile.ZIP_DEFLATED
    flags: int = 0x800
    mode: int = 0
    extra: bytes = b""
    local_name: bytes | None = None
    local_size: int | None = None
    local_method: int | None = None
    offset: int | None = None


def deflated(content: bytes) -> bytes:
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packing.compress(content) + packing.flush()


def written(entries: Iterable[Entry], prefix: bytes = b"") -> bytes:
    """A zip of these entries, with whatever is wrong with them."""
    body, directory, count = prefix, b"", 0
    for entry in entries:
        offset = len(body) if entry.offset is None else entry.offset
        body += _local(entry)
        directory += _central(entry, offset)
        count += 1
    return body + directory + _end(count, len(directory), len(body))


def _packed(entry: Entry) -> bytes:
    if entry.packed is not None:
        return entry.packed
    return deflated(entry.content) if entry.method == zipfile.ZIP_DEFLATED else entry.content


def _numbers(entry: Entry) -> tuple[int, int, int]:
    packed_size = len(_packed(entry)) if entry.packed_size is None else entry.packed_size
    size = len(entry.content) if entry.size is None else entry.size
    return (zlib.crc32(entry.content) if entry.crc is None else entry.crc), packed_size, size


def _local(entry: Entry) -> bytes:
    name = entry.name if entry.local_name is None else entry.local_name
    method = entry.method if entry.local_method is None else entry.local_method
    crc, packed_size, size = _numbers(entry)
    size = size if entry.local_size is None else entry.local_size
    fields = (20, entry.flags, method, 0, 0x21, crc, packed_size, size, len(name), 0)
    return struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + name + _packed(entry)


def _central(entry: Entry, offset: int) -> bytes:
    sizes = (len(entry.name), len(entry.extra), 0, 0, 0)
    fields = (0x314, 20, entry.flags, entry.method, 0, 0x21, *_numbers(entry), *sizes)
    return struct.pack("<4s6H3L5HLL", b"PK\1\2", *fields, entry.mode << 16, offset) + entry.name + entry.extra


def _end(count: int, size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, min(count, 65535), min(count, 65535), size, offset, 0)


def a_million_entries() -> bytes:
    """Says in 98 bytes that there are a million entries, as large zips do."""
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, 46 * 10**6, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    return end64 + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)


def _with(**wrong: object) -> Callable[[], bytes]:
    entry = Entry(b"tests/test_it.py", b"def test_it(): pass\n" * 100)
    return lambda: written([Entry(b"requirements.txt"), replace(entry, **wrong)])  # type: ignore[arg-type]


def _named(*names: bytes) -> Callable[[], bytes]:
    return lambda: written([*map(Entry, names), Entry(b"requirements.txt"), Entry(b"tests/test_it.py")])


def _mode(kind: int, name: bytes = b"tests/odd") -> Callable[[], bytes]:
    return lambda: written([Entry(name, b"/etc/passwd", mode=kind | 0o644), Entry(b"requirements.txt")])


def _overlapping() -> bytes:
    first = Entry(b"a", b"x" * 100, method=zipfile.ZIP_STORED)
    inner = written([Entry(b"b", b"y" * 10, method=zipfile.ZIP_STORED)])
    at = 30 + len(first.name)
    return written(
        [
            replace(first, content=inner.ljust(100)),
            Entry(b"b", b"y" * 10, method=zipfile.ZIP_STORED, offset=at),
        ]
    )


def _twice() -> bytes:
    with warnings.catch_warnings(action="ignore"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("tests/test_it.py", "1")
            archive.writestr("tests/test_it.py", "2")
        return buffer.getvalue()


def _unicode_path(name: bytes, other: bytes) -> bytes:
    data = struct.pack("<BL", 1, zlib.crc32(name)) + other
    return struct.pack("<HH", 0x7075, len(data)) + data


def _with_end(at: int, kind: str, value: int) -> Callable[[], bytes]:
    """A good zip, but for one number of its end."""

    def spoilt() -> bytes:
        data = bytearray(a_zip())
        struct.pack_into(kind, data, len(data) - 22 + at, value)
        return bytes(data)

    return spoilt


_LONG = b"/".join([b"d" * 200] * 21)
_BOMB = b"\0" * (20 * MEGABYTE)

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (lambda: b"", "not a zip"),
    "text": (lambda: b"no zip at all" * 100, "not a zip"),
    "empty zip": (lambda: written([]), "empty"),
    "half": (lambda: a_zip()[: len(a_zip()) // 2], "not a zip"),
    "cut off in its end": (lambda: a_zip()[:-1], "not a zip"),
    "appended": (lambda: a_zip() + b"x", "appended"),
    "prefix": (lambda: b"#!/bin/sh\n" + a_zip(), "belong to nothing"),
    "prefix with right offsets": (lambda: written([Entry(b"a")], b"#!/bin/sh\n"), "before its first entry"),
    "two zips": (lambda: a_zip() + a_zip(), "belong to nothing"),
    "several volumes": (_with_end(4, "<H", 1), "volumes"),
    "more entries told": (_with_end(8, "<H", 3), "volumes"),
    "directory elsewhere": (_with_end(16, "<L", 1), "belong to nothing"),
    "directory of no size": (_with_end(12, "<L", 0), "belong to nothing"),
    "a million entries": (a_million_entries, "at most 20,000 entries"),
    "absolute": (_named(b"/etc/passwd"), "absolute"),
    "drive": (_named(b"C:/windows"), "absolute"),
    "drive without slash": (_named(b"c:evil"), "absolute"),
    "backslash": (_named(b"tests\\..\\evil"), "backslash"),
    "parent": (_named(b"../evil"), "'..'"),
    "parent within": (_named(b"tests/../../evil"), "'..'"),
    "parent at the end": (_named(b"tests/.."), "'..'"),
    "parent as folder": (_named(b"tests/../"), "'..'"),
    "dot": (_named(b"./evil"), "'.'"),
    "empty part": (_named(b"tests//evil"), "empty"),
    "empty name": (_named(b""), "empty"),
    "root": (_named(b"/"), "absolute"),
    "nul": (_named(b"tests/good.py\0.exe"), "control"),
    "newline": (_named(b"tests/a\nb"), "control"),
    "escape": (_named(b"tests/\x1b[2J"), "control"),
    "control of 8 bits": (_named("tests/\x9b2J".encode()), "control"),
    "not UTF-8": (_named(b"tests/\xff"), "not UTF-8"),
    "not UTF-8 and not said so": (lambda: written([Entry(b"tests/\xff", flags=0)]), "not UTF-8"),
    "long part": (_named(b"tests/" + b"x" * 256), "too long"),
    "long path": (_named(_LONG), "too long"),
    "twice": (_twice, "two entries 'tests/test_it.py'"),
    "folder twice": (_named(b"a/", b"a/"), "two entries 'a'"),
    "file and folder": (_named(b"a", b"a/"), "two entries 'a'"),
    "file and folder of others": (_named(b"a", b"a.b", b"a/b"), "'a' is a file and a folder"),
    "two names": (_with(extra=_unicode_path(b"tests/test_it.py", b"../evil")), "another name"),
    "symbolic link": (_mode(stat.S_IFLNK), "symbolic link"),
    "fifo": (_mode(stat.S_IFIFO), "neither"),
    "socket": (_mode(stat.S_IFSOCK), "neither"),
    "block device": (_mode(stat.S_IFBLK), "neither"),
    "character device": (_mode(stat.S_IFCHR), "neither"),
    "folder by mode only": (_mode(stat.S_IFDIR), "by the other not"),
    "folder by name only": (_mode(stat.S_IFREG, b"tests/odd/"), "by the other not"),
    "folder with content": (_mode(stat.S_IFDIR, b"tests/odd/"), "has a content"),
    "encrypted": (_with(flags=0x801), "encrypted"),
    "strongly encrypted": (_with(flags=0x841), "encrypted"),
    "bzip2": (_with(method=zipfile.ZIP_BZIP2), "method 12"),
    "lzma": (_with(method=zipfile.ZIP_LZMA), "method 14"),
    "unheard of": (_with(method=99), "method 99"),
    "overlapping": (_overlapping, "overlaps"),
    "same content twice": (lambda: written([Entry(b"a", b"x"), Entry(b"b", b"x", offset=0)]), "differ"),
    "other local name": (_with(local_name=b"tests/../evil.py"), "differ"),
    "other local size": (_with(local_size=1), "differ"),
    "other local method": (_with(local_method=zipfile.ZIP_STORED), "differ"),
    "no local header": (_with(offset=1), "not a zip"),
    "local header beyond the end": (_with(offset=10**6), "not a zip"),
    "content beyond the end": (_with(packed_size=10**6), "not a zip"),
    "more than it says": (_with(size=1999), "damaged"),
    "less than it says": (_with(size=2001), "damaged"),
    "packed is longer": (_with(packed=deflated(b"def test_it(): pass\n" * 100) + b"x"), "damaged"),
    "packed is cut": (_with(packed=deflated(b"def test_it(): pass\n" * 100)[:-3]), "damaged"),
    "packed is nothing": (_with(packed=b""), "damaged"),
    "packed is noise": (_with(packed=b"\xff" * 100), "damaged"),
    "stored of another size": (_with(method=zipfile.ZIP_STORED, size=1), "damaged"),
    "wrong checksum": (_with(crc=1), "damaged"),
    "bomb": (lambda: a_zip({"requirements.txt": _BOMB}), "times as large"),
    "bomb that lies": (
        lambda: written([Entry(b"a", _BOMB, size=100, crc=zlib.crc32(bytes(100)))]),
        "damaged",
    ),
}
"""What makes it, by its name, and of what is said about it."""
