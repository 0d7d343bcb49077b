from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextForm:
    """A value that PostgreSQL itself has to read."""

    text: str
    is_json: bool = False
    """It is the JSON of a composite, or of an array of them; else the text that a cast reads."""


class WrongType(Exception):
    """What is wanted instead: `a whole number`."""
