import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from observability.secret_shapes import SECRETS, SUSPICIOUS

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

MASK = "***"

_SECRET_NAME = re.compile(
    r"authorization|cookie|credential|passw(or)?d|secret|token|api[-_]?key|private[-_]?key|dsn", re.IGNORECASE
)


def redact(_logger: "WrappedLogger", _method: str, event: "EventDict") -> "EventDict":
    """Mask what looks like a secret in a log event, by name and by shape; a structlog processor."""
    for name, value in event.items():
        # What most values are, first: this runs for every line.
        if type(value) is str and not is_secret(name):
            event[name] = redact_text(value)
        elif type(value) is not int or is_secret(name):
            event[name] = _redacted(name, value)
    return event


def redact_text(text: str) -> str:
    """Mask tokens, private keys, and credentials in URLs and headers wherever they stand in `text`."""
    if SUSPICIOUS.search(text):
        for pattern, replacement in SECRETS:
            text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=1000)
def is_secret(name: str) -> bool:
    """Whether what has this name is a secret, whatever it looks like."""
    return _SECRET_NAME.search(name) is not None


def _redacted(name: str, value: Any) -> Any:
    if value is not None and is_secret(name):
        return MASK
    match value:
        case None | bool() | int() | float():
            return value
        case bytes():
            return redact_text(value.decode(errors="replace"))
        case Mapping():
            return {key: _redacted(str(key), inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted("", inner) for inner in value]
        case _:
            return redact_text(str(value))
