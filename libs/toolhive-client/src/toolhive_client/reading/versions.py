import re
from dataclasses import dataclass
from typing import Self

_VERSION = re.compile(
    r"v?(?P<release>\d{1,18}(?:\.\d{1,18}){0,9})(?:-(?P<pre>[0-9a-z.-]+))?(?:\+.*)?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A version in its order (semver.org); what is none, such as `dev`, comes before all that are."""

    release: tuple[int, ...] = ()
    is_final: bool = False
    pre_release: tuple[tuple[bool, int, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _VERSION.fullmatch(text)
        if not match:
            return cls()
        numbers = [int(number) for number in match["release"].split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        pre = match["pre"] or ""
        return cls(tuple(numbers), not pre, tuple(_identifier(part) for part in pre.split(".") if pre))


def _identifier(text: str) -> tuple[bool, int, str]:
    """Numbers come before words, and are compared as numbers."""
    return (False, int(text), "") if re.fullmatch(r"[0-9]{1,18}", text) else (True, 0, text)


NO_VERSION = Version()
