"""A workspace for the collectors of forges: a checkout that a test tells of, and settings that no environment touches."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fleet_metadata.collectors.git.repository import Checkout
from fleet_metadata.settings import Settings
from fleet_metadata.workspace import Workspace

SECRET = "canary-5d41402abc4b2a76"
_NOTHING_SET: dict[str, Any] = {
    "github_repo": None,
    "github_token": None,
    "github_api_url": "https://api.github.com",
    "gitlab_project": None,
    "gitlab_token": None,
    "gitlab_url": "https://gitlab.com",
    "metadata_refresh_seconds": 5,
}


@dataclass
class ToldCheckout:
    """Answers as a repository does: with `checkout`, or by raising it."""

    checkout_or_error: Checkout | Exception

    async def checkout(self) -> Checkout:
        if isinstance(self.checkout_or_error, Exception):
            raise self.checkout_or_error
        return self.checkout_or_error


@dataclass
class _Workspace:
    settings: Settings
    repository: ToldCheckout


def checked_out(branch: str | None = "feat/one", origin: str | None = None) -> Checkout:
    return Checkout(branch, origin, Path(".git"))


def workspace(checkout: Checkout | Exception, **settings: Any) -> Workspace:
    """What a collector takes, with these settings and otherwise none but the usual ones."""
    return cast("Workspace", _Workspace(Settings(**_NOTHING_SET | settings), ToldCheckout(checkout)))


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 1_795_000_000.0
    slept: list[float] = field(default_factory=list[float])

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
