import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from structlog.typing import EventDict, WrappedLogger

MASK = "***"

_SECRET_NAME = re.compile(
    r"authorization|cookie|credential|passw(or)?d|secret|token|api[-_]?key|private[-_]?key|dsn", re.IGNORECASE
)
# What every pattern below has in it, to pass by in one look what has no secret.
_SUSPICIOUS = re.compile(r"fleet_|://|bearer|basic|=", re.IGNORECASE)
_SECRETS_IN_TEXT = [
    # Fleet's own keys: the id stays, it names the key in a log.
    (re.compile(r"\b(fleet_[a-z0-9]{1,32}_)[A-Za-z0-9]+"), rf"\1{MASK}"),
    # Credentials in a URL.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@'\"]+@", re.IGNORECASE), rf"\1{MASK}@"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
    # name=value as in query strings and connection strings.
    (re.compile(r"\b((?:password|secret|token|api[-_]?key)=)[^\s&;'\"]+", re.IGNORECASE), rf"\1{MASK}"),
]


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what looks like a secret in a log event, by name and by shape; a structlog processor."""
    for name, value in event.items():
        # What most values are, first: this runs for every line.
        if type(value) is str and not _is_secret(name):
            event[name] = redact_text(value)
        elif type(value) is not int or _is_secret(name):
            event[name] = _redacted(name, value)
    return event


def redact_text(text: str) -> str:
    """Mask keys, bearer tokens and credentials in URLs wherever they stand in `text`."""
    if _SUSPICIOUS.search(text):
        for pattern, replacement in _SECRETS_IN_TEXT:
            text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _redacted(name: str, value: Any) -> Any:
    if value is not None and _is_secret(name):
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
