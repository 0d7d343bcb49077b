"""Collectors that tell what a test has them tell, and the server that answers for them."""

from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from asgi_lifespan import LifespanManager
from starlette.types import ASGIApp

from fleet_metadata import Collector, Key, Reading, ValueType
from fleet_metadata.app import create_app
from fleet_metadata.collection.board import Board
from fleet_metadata.settings import Settings

BRANCH = Key("git_branch", ValueType.STRING, "Current git branch", in_list=True)
FILES = Key("git_dirty_files", ValueType.NUMBER, "Changed files")
PULL = Key("github_pr_number", ValueType.NUMBER, "Pull request", in_list=True)


@dataclass
class Told:
    """A local collector: `told` is what it gives, or what it raises."""

    name: str = "git"
    keys: Sequence[Key] = (BRANCH, FILES)
    told: dict[str, Any] | BaseException = field(
        default_factory=lambda: {"git_branch": "main", "git_dirty_files": 2}
    )
    warnings: Sequence[str] = ()
    collections: int = 0
    closed: bool = False

    @property
    def prefix(self) -> str:
        return f"{self.name}_"

    async def collect(self) -> Reading:
        self.collections += 1
        if isinstance(self.told, BaseException):
            raise self.told
        return Reading(self.told, self.warnings)

    async def close(self) -> None:
        self.closed = True


@dataclass
class ToldFromAfar(Told):
    name: str = "github"
    keys: Sequence[Key] = (PULL,)
    told: dict[str, Any] | BaseException = field(default_factory=lambda: {"github_pr_number": 810})
    about: Hashable = "here"
    refresh_seconds: float = 3600.0

    async def subject(self) -> Hashable:
        return self.about


def app_of(collectors: Sequence[Collector], **settings: Any) -> ASGIApp:
    chosen = Settings.model_validate(settings)
    return create_app(chosen, Board(collectors, disabled=chosen.metadata_disabled_collectors))


@asynccontextmanager
async def client_of(*collectors: Collector, **settings: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the whole server, in this process."""
    async with (
        LifespanManager(app_of(collectors, **settings), startup_timeout=60, shutdown_timeout=60) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app), base_url="http://127.0.0.1:8001"
        ) as client,
    ):
        yield client
