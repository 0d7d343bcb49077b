"""Reads the values of options."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

import typer

from ci_client.settings import environment_variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def shell_line(words: Sequence[str]) -> str | None:
    """One word is a shell line as it stands, several are quoted to stay these words; None without any."""
    return words[0] if len(words) == 1 else shlex.join(words) or None


def memory_bytes(text: str) -> int:
    """As 512m, 2g or 1073741824. Raises typer.BadParameter."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no size; write it as 512m or 2g")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def variables(assignments: Iterable[str], *, option: str, from_environment: bool) -> Mapping[str, str]:
    """NAME=value, and where that is allowed NAME alone. Raises typer.BadParameter."""
    return dict(_variable(text, option, from_environment=from_environment) for text in assignments)


def _variable(text: str, option: str, *, from_environment: bool) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    hint = "NAME=value, or NAME for its value in the environment" if from_environment else "NAME=value"
    if not _NAME.fullmatch(name) or not (equals or from_environment):
        # Not repeated: it may be the secret itself.
        raise typer.BadParameter(f"write {hint}", param_hint=option)
    found = value if equals else environment_variable(name)
    if found is None:
        raise typer.BadParameter(
            f"{name} is not in the environment; set it, or write {hint}", param_hint=option
        )
    return name, found
