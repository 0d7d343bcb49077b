import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from toolhive_client.reading.regular_file import beginning_of
from toolhive_client.transport.loopback import is_loopback

_LARGEST = 65_536


class _Told(BaseModel):
    url: str
    nonce: str = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Announced:
    """Where a ToolHive says it is; it is there if its health check answers with this nonce."""

    url: str
    nonce: str


def discovery_file() -> Path | None:
    """Where a ToolHive of this user says where it is: freedesktop.org's base directories, of state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        # What is not absolute is to be ignored.
        folder = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return folder / "toolhive" / "server" / "server.json"


def read_discovery_file(file: Path) -> Announced | None:
    """What the file says; None where there is none, it cannot be read, or it leads away from this machine."""
    try:
        told = _Told.model_validate_json(beginning_of(file, _LARGEST))
    except (OSError, ValidationError):
        return None
    return Announced(told.url.rstrip("/"), told.nonce) if is_loopback(told.url) else None
