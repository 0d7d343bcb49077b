"""The output of `git status --porcelain=v2 --branch --show-stash -z`, as git-status(1) describes it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

_UNCHANGED = "."


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a work tree.

    `ahead` and `behind` are None where the branch has no upstream, or one that is gone. The numbers from
    `staged` on are of paths, and a renamed one counts once; `listed` is all but the ignored.
    """

    ahead: int | None = None
    behind: int | None = None
    stash_count: int = 0
    staged: int = 0
    conflicted: int = 0
    listed: int = 0

    @classmethod
    def parse(cls, output: bytes) -> Self:
        """What git told; headers and records of kinds that are not known are passed over."""
        records = output.split(b"\0")
        headers = dict(_headers(records))
        ahead, behind = _ahead_and_behind(headers.get("branch.ab", ""))
        return cls(
            ahead=ahead,
            behind=behind,
            stash_count=int(headers.get("stash", 0)),
            **_numbers(records),
        )


def _headers(records: list[bytes]) -> Iterator[tuple[str, str]]:
    for record in records:
        # They come first, and a path that looks like one does not begin a record.
        if not record.startswith(b"# "):
            break
        name, _, value = record[2:].decode(errors="replace").partition(" ")
        yield name, value


def _ahead_and_behind(value: str) -> tuple[int | None, int | None]:
    ahead, _, behind = value.partition(" ")
    # "+? -?" where git was told not to count.
    return (int(ahead), -int(behind)) if ahead[1:].isdecimal() and behind[1:].isdecimal() else (None, None)


def _numbers(records: list[bytes]) -> Counter[str]:
    numbers: Counter[str] = Counter()
    # There may be 100,000 records, and few ways to begin.
    for beginning, count in Counter(_beginnings(records)).items():
        for name in _counted_as(beginning.decode(errors="replace")):
            numbers[name] += count
    return numbers


def _beginnings(records: list[bytes]) -> Iterator[bytes]:
    rest = iter(records)
    for record in rest:
        yield record[:4]
        if record[:2] == b"2 ":
            # The path that it had before is a record by itself.
            next(rest, None)


def _counted_as(beginning: str) -> Iterator[str]:
    kind, state = beginning[:2], beginning[2:]
    if kind in {"1 ", "2 ", "u ", "? "}:
        yield "listed"
    if kind in {"1 ", "2 "} and state[:1] != _UNCHANGED:
        yield "staged"
    if kind == "u ":
        yield "conflicted"
