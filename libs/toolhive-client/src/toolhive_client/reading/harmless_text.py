"""What is kept of the texts of others: of bounded length, and all of it can be seen."""

from collections.abc import Iterable

LONGEST_NAME = 253
LONGEST_WORD = 64
LONGEST_LINE = 1000
MOST_WORDS = 1000

_NOT_A_NAME = {"", ".", ".."}


def is_name(text: str) -> bool:
    """Whether something may have this name; dots alone would lead elsewhere in a path."""
    return len(text) <= LONGEST_NAME and text.isprintable() and text.strip() not in _NOT_A_NAME


def word(text: str | None, longest: int = LONGEST_WORD) -> str | None:
    """`text`, or None where it is empty, too long, or cannot be printed."""
    return text if text and len(text) <= longest and text.isprintable() else None


def words(texts: Iterable[str] | None) -> tuple[str, ...]:
    """Those of `texts` that are names, each once, in their order, up to `MOST_WORDS`."""
    return tuple(dict.fromkeys(text for text in texts or () if is_name(text)))[:MOST_WORDS]


def line(text: str | None) -> str | None:
    """`text` in one line, without what cannot be printed, cut to `LONGEST_LINE` characters."""
    seen = "".join(letter for letter in " ".join((text or "").split()) if letter.isprintable())
    return seen[:LONGEST_LINE].strip() or None
