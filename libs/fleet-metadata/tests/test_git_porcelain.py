import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_metadata.collectors.git.porcelain import Status

HASH = "8c5f1c9c8ec2f2d8e15b0e0a4f2c5e1b7b9f7d11"
MODES = f"N... 100644 100644 100644 {HASH} {HASH}"


def _status(*records: str) -> Status:
    return Status.parse("".join(f"{record}\0" for record in records).encode())


def test_nothing_is_nothing() -> None:
    assert Status.parse(b"") == Status()


def test_headers_tell_of_the_branch() -> None:
    status = _status(
        *(f"# branch.oid {HASH}", "# branch.head feature/a b", "# branch.upstream origin/feature/a b"),
        *("# branch.ab +3 -14", "# stash 2"),
    )
    assert status == Status(ahead=3, behind=14, stash_count=2)


def test_what_git_did_not_count_is_not_known() -> None:
    assert _status("# branch.upstream origin/main", "# branch.ab +? -?") == Status()


def test_an_upstream_that_is_gone_has_no_distance() -> None:
    assert _status("# branch.oid (initial)", "# branch.upstream origin/main") == Status()


@pytest.mark.parametrize(
    ("records", "numbers"),
    [
        ([f"1 .M {MODES} a"], {"listed": 1}),
        ([f"1 A. {MODES} a"], {"staged": 1, "listed": 1}),
        ([f"1 MM {MODES} a"], {"staged": 1, "listed": 1}),
        ([f"1 .A {MODES} a"], {"listed": 1}),
        ([f"2 R. {MODES} R100 new", "old"], {"staged": 1, "listed": 1}),
        ([f"2 .R {MODES} R90 new", "old"], {"listed": 1}),
        ([f"u UU N... 100644 100644 100644 100644 {HASH} {HASH} {HASH} a"], {"conflicted": 1, "listed": 1}),
        (["? a"], {"listed": 1}),
        (["! a"], {}),
        (["x something new"], {}),
    ],
)
def test_each_kind_of_record_counts_as_what_it_is(records: list[str], numbers: dict[str, int]) -> None:
    assert _status(*records) == replace(Status(), **numbers)


@pytest.mark.parametrize(
    "path", ["1 .M looks like one", "# stash 7", "? x", "u UU", "2 R.", " ", "a\nb", "é"]
)
def test_a_path_is_never_taken_for_a_record(path: str) -> None:
    status = _status("# stash 1", f"2 R. {MODES} R100 {path}", path, f"? {path}")
    assert status == Status(stash_count=1, staged=1, listed=2)


def test_headers_and_bytes_that_are_not_known_are_passed_over() -> None:
    status = Status.parse(b"# future.header 1\0# branch.head f\xff\0? \xff\xfe\0")
    assert status == Status(listed=1)


def test_output_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    assert _status("? a", f"2 R. {MODES} R100 new") == Status(staged=1, listed=2)


def test_a_hundred_thousand_records_take_no_time_to_speak_of() -> None:
    output = b"".join(f"1 .M {MODES} src/{number}\0? doc/{number}\0".encode() for number in range(50_000))
    began = time.process_time()
    status = Status.parse(output)
    # Tenths of a second; with the square of the number it would be minutes.
    assert time.process_time() - began < 5
    assert (status.staged, status.listed) == (0, 100_000)


@dataclass(frozen=True, slots=True)
class _Record:
    text: bytes
    counts_as: tuple[str, ...]


_PATHS = st.binary(min_size=1, max_size=12).map(lambda path: path.replace(b"\0", b"\n"))
_REST = MODES.encode()


def _changed(kind: bytes, state: bytes, path: bytes, old: bytes) -> _Record:
    staged = ("staged",) if state[:1] != b"." else ()
    score, end = (b" R100", b"\0" + old) if kind == b"2" else (b"", b"")
    text = kind + b" " + state + b" " + _REST + score + b" " + path + end
    return _Record(text, (*staged, "listed"))


_STATES = st.builds(bytes.__add__, *[st.sampled_from([b".", b"M", b"A", b"D", b"T", b"R", b"C"])] * 2)
_RECORDS = st.one_of(
    st.builds(_changed, st.sampled_from([b"1", b"2"]), _STATES, _PATHS, _PATHS),
    _PATHS.map(lambda path: _Record(b"u UU " + _REST + b" " + path, ("conflicted", "listed"))),
    _PATHS.map(lambda path: _Record(b"? " + path, ("listed",))),
    _PATHS.map(lambda path: _Record(b"! " + path, ())),
)


@given(
    st.lists(_RECORDS, max_size=30),
    st.none() | st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    st.none() | st.integers(1, 10**6),
)
def test_what_git_writes_is_what_is_read(
    records: list[_Record], distance: tuple[int, int] | None, stashes: int | None
) -> None:
    expected: dict[str, Any] = asdict(Status(stash_count=stashes or 0))
    texts = [b"# branch.head main"]
    if distance:
        expected |= {"ahead": distance[0], "behind": distance[1]}
        texts.append(b"# branch.ab +%d -%d" % distance)
    if stashes:
        texts.append(b"# stash %d" % stashes)
    for record in records:
        texts.append(record.text)
        for name in record.counts_as:
            expected[name] += 1
    assert asdict(Status.parse(b"".join(text + b"\0" for text in texts))) == expected
