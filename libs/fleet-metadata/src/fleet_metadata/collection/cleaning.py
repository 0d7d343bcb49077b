"""What a value goes through before anybody sees it: no control characters, no credentials, no tokens."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from observability.redaction import is_secret, redact_text

CLEANED_CHARACTERS = 65_536
"""How much of a text is looked at, and of all texts in a value: far more than may be told of it."""

# Line ends and tabs are text: a message is told whole. What turns the direction of text about, or has no width,
# can make one value look like another, and hide a token from those who look for it.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_CREDENTIALS_OF_URL = re.compile(r'(://)(?<!ssh://)[^\s/?#"<>]*@', re.IGNORECASE)
# The user of ssh is no secret.
_PASSWORD_OF_SSH = re.compile(r'(ssh://[^\s/?#:@"<>]*):[^\s/?#"<>]*(?=@)', re.IGNORECASE)
_SHORTEST_SECRET = 8
_DEEPEST = 100
"""How deep a value may be nested, whatever the interpreter would bear."""


class TooLarge(ValueError):
    """The value is far larger than may be told."""


@dataclass(slots=True)
class _Room:
    left: int

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooLarge


class Cleaning:
    """Cleans values; `secrets` are masked wherever they stand, beside all that looks like one."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        # A short one would be found in words that are none.
        known = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        shapes = [_also_escaped(secret) for secret in sorted(known, key=len, reverse=True)]
        self._known = re.compile("|".join(shapes)) if shapes else None

    def text(self, text: str) -> str:
        """`text` in plain Unicode, without controls, credentials and tokens; the beginning of a very long one."""
        text = text[:CLEANED_CHARACTERS]
        # First: a secret may be split by what is not seen.
        if not text.isprintable():
            text = _CONTROLS.sub("", _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text))
        if self._known:
            text = self._known.sub("***", text)
        if "://" in text:
            text = _PASSWORD_OF_SSH.sub(r"\1", _CREDENTIALS_OF_URL.sub(r"\1", text))
        return redact_text(text)

    def value(self, value: Any) -> Any:
        """`value` with all texts in it cleaned, names of members too.

        Raises TooLarge; TypeError for what has no JSON; RecursionError.
        """
        return self._value(value, _Room(CLEANED_CHARACTERS))

    def _value(self, value: Any, room: _Room, depth: int = 0) -> Any:
        room.take(len(value) if isinstance(value, str) else 1)
        if depth > _DEEPEST:
            raise RecursionError("nested too deep")
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case Mapping():
                return dict(self._member(name, inner, room, depth + 1) for name, inner in value.items())
            case list() | tuple():
                return [self._value(inner, room, depth + 1) for inner in value]
            case _:
                raise TypeError(f"a {type(value).__name__} in it")

    def _member(self, name: object, inner: Any, room: _Room, depth: int) -> tuple[str, Any]:
        if not isinstance(name, str):
            raise TypeError(f"a {type(name).__name__} as the name of a member")
        room.take(len(name))
        if is_secret(name) and not isinstance(inner, bool | int | float | None):
            return self.text(name), "***"
        return self.text(name), self._value(inner, room, depth)


def _also_escaped(secret: str) -> str:
    """A pattern of `secret` as it is, and as it stands in a URL."""
    return "".join(
        letter
        if letter.isascii() and letter.isalnum()
        else f"(?:{re.escape(letter)}|(?i:{_escaped(letter)}))"
        for letter in secret
    )


def _escaped(letter: str) -> str:
    return "".join(f"%{byte:02x}" for byte in letter.encode())
