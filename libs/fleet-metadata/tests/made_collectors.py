"""Collectors that do what a test has them do, and how to look at what came of them."""

import asyncio
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import pytest

from fleet_metadata import Key, Reading, ValueType
from fleet_metadata.collection.answer import Answer
from fleet_metadata.collection.board import Board


def key_of(name: str, value_type: ValueType = ValueType.STRING, **more: Any) -> Key:
    return Key(name, value_type, "What it is", **more)


class MadeCollector:
    """Tells `told`, or raises it, or gives what it gives when called; waits as long as `go` is not set."""

    def __init__(self, told: Any, *keys: Key, name: str = "made") -> None:
        self.name = name
        self.prefix = f"{name}_"
        self.keys: Sequence[Key] = keys or [key_of(f"{name}_{key}") for key in ("branch", "commit")]
        self.told = told
        self.warnings: Sequence[str] = ()
        self.collections = 0
        self.at_once = 0
        self.cancellations = 0
        self.swallows = False
        self.closed = 0
        self.go = asyncio.Event()
        self.go.set()

    def hang(self, *, swallows: bool = False) -> None:
        """Do not end from now on, or when `swallows` not even when cancelled."""
        self.go.clear()
        self.swallows = swallows

    async def collect(self) -> Reading:
        self.collections += 1
        # Not of the time when it is let go.
        told = self.told
        self.at_once += 1
        try:
            await self._wait()
        finally:
            self.at_once -= 1
        return self._reading(told)

    async def close(self) -> None:
        self.closed += 1

    async def _wait(self) -> None:
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancellations += 1
                if not self.swallows:
                    raise

    def _reading(self, told: Any) -> Any:
        if callable(told):
            return told()
        if isinstance(told, BaseException):
            raise told
        return Reading(told, self.warnings)


class MadeRemote(MadeCollector):
    def __init__(
        self, told: Any, *keys: Key, name: str = "afar", refresh_seconds: float = 3600.0, about: Any = "here"
    ) -> None:
        super().__init__(told, *keys, name=name)
        self.refresh_seconds = refresh_seconds
        self.about = about
        self.knows = asyncio.Event()
        self.knows.set()

    async def subject(self) -> Hashable:
        await self.knows.wait()
        if isinstance(self.about, BaseException):
            raise self.about
        return self.about


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Let others go on until `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0)


def body_of(answer: Answer) -> Any:
    """The answer as a client reads it, who takes no more than JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(answer.body.decode(), parse_constant=refuse)


def state_of(answer: Answer, collector: str = "made") -> Mapping[str, Any]:
    """What the answer says of that collector."""
    return next(state for state in body_of(answer)["meta"]["collectors"] if state["name"] == collector)


def value_of(answer: Answer, key: str) -> Any:
    return body_of(answer)["data"][key]["value"]


async def told_by(told: Any, *keys: Key) -> Answer:
    """The answer of a board with one collector that tells this."""
    return await Board([MadeCollector(told, *keys)]).read()


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What this package logged of which collector, each time with a traceback."""
    told = [record for record in caplog.records if record.name.startswith("fleet_metadata.")]
    assert all(record.exc_info for record in told)
    return [(record.getMessage(), vars(record)["collector"]) for record in told]
