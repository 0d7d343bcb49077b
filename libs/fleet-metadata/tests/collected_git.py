"""What the collector tells of a real repository."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from fleet_metadata.collectors.git import GitCollector
from fleet_metadata.collectors.git.repository import Repository
from fleet_metadata.settings import Settings
from fleet_metadata.workspace import Workspace


class Children:
    """The processes below this one that were started after this was made; others may have some of their own."""

    def __init__(self) -> None:
        self._others = set(psutil.Process().children())

    def __call__(self, *, recursive: bool = False) -> list[psutil.Process]:
        own = [child for child in psutil.Process().children() if child not in self._others]
        return own + [below for child in own if recursive for below in _below(child)]


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def git_collector(folder: Path, executable: str = "git", status_within_seconds: float = 60) -> GitCollector:
    workspace = Workspace(Settings(metadata_folder=folder))
    workspace.repository = Repository(folder, executable)
    return GitCollector(workspace, status_within_seconds)


async def collected(folder: Path) -> Mapping[str, Any]:
    """What is collected, after a look at whether it is what the keys promise."""
    collector = git_collector(folder)
    reading = await collector.collect()
    assert reading.warnings == ()
    assert set(reading.values) == {key.name for key in collector.keys}
    assert [key.fault(reading.values[key.name]) for key in collector.keys] == [None] * len(collector.keys)
    return reading.values


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, at most a minute."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
