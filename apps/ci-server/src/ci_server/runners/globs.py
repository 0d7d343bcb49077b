"""Which files of a project its submitter wants to have kept."""

import re
from collections.abc import Callable, Iterable

PARTS = re.compile(r"(\*\*/)|(/?\*\*$)|(\*+)|(\?)|([^*?]+)")


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path (relative, with slashes) matches one of them.

    `*` and `?` stay within a folder; `**` is any number of folders, also none; a glob that names a folder
    means all that is in it. A leading `./` or `/` says nothing.
    """
    patterns = "|".join(f"(?:{_pattern(one)})" for one in globs)
    compiled = re.compile(patterns) if patterns else re.compile("(?!)")
    return lambda path: compiled.fullmatch(path) is not None


def _pattern(glob: str) -> str:
    words = glob.removeprefix("./").strip("/")
    return "".join(_part(found) for found in PARTS.finditer(words)) + "(?:/.*)?"


def _part(found: "re.Match[str]") -> str:
    folders, rest, star, one, text = found.groups()
    if folders:
        return "(?:.*/)?"
    if rest:
        return ".*" if rest == "**" else "(?:/.*)?"
    if star:
        return "[^/]*"
    return "[^/]" if one else re.escape(text)
