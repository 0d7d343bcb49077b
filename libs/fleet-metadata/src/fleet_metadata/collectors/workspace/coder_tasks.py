from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from fleet_metadata.collectors.workspace.coder_api import CoderApi, Refused
from fleet_metadata.collectors.workspace.coder_work import Work, chat_of, chats_of, latest, root_of, tasks_of
from fleet_metadata.collectors.workspace.task import Task, Told
from fleet_metadata.freshness.refreshed import Refreshed

_NOT_FOUND = 404
_PATIENCE_SECONDS = 0.8
_STOP_WITHIN_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 60.0
# Coder 2.29 to 2.36, and before; chats from 2.37 on, and before.
_TASKS = ("/api/v2/tasks", "/api/experimental/tasks")
_CHATS = ("/api/v2/chats", "/api/experimental/chats")
_CHATS_AT_MOST = "100"


@dataclass(frozen=True, slots=True)
class _Answer:
    task: Task | None
    warning: str | None


class _Routes:
    """The paths under which releases of Coder have the same thing; where none is known, it is asked seldom."""

    def __init__(self, paths: Sequence[str], clock: Callable[[], float]) -> None:
        self._paths = list(paths)
        self._clock = clock
        self._unknown: Refused | None = None
        self._again_at = 0.0

    async def first(self, ask: Callable[[str], Awaitable[Any]]) -> Any:
        """What `ask` gives for the first path that is not refused. Raises Refused, and what `ask` does."""
        if self._unknown and self._clock() < self._again_at:
            raise self._unknown.with_traceback(None)
        refusals: list[Refused] = []
        for path in tuple(self._paths):
            try:
                answer = await ask(path)
            except Refused as refused:
                refusals.append(refused)
            else:
                self._paths.sort(key=lambda known: known != path)
                self._unknown = None
                return answer
        # One that is there and closed tells more than one that is not there.
        self._unknown = next((one for one in refusals if one.status != _NOT_FOUND), refusals[0])
        self._again_at = self._clock() + _ASK_AGAIN_SECONDS
        raise self._unknown


class CoderTasks:
    """What Coder knows of the task of the workspace: the latest of its tasks and chats.

    It is asked in the background, at most every `refresh_seconds`. What it said last holds for `holds_seconds`
    after it was to be asked again.
    """

    def __init__(
        self,
        api: CoderApi,
        workspace_id: str,
        owner: str | None,
        refresh_seconds: float,
        holds_seconds: float = 60,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._api = api
        self._workspace_id = workspace_id
        # There may be many tasks, of which the query can tell apart those of other people.
        self._query = {"q": f'owner:"{owner}"'} if owner else None
        self._tasks_at, self._chats_at = _Routes(_TASKS, clock), _Routes(_CHATS, clock)
        self._holds_seconds = refresh_seconds + holds_seconds
        self._refreshed = Refreshed(self._fetch, refresh_seconds)

    async def read(self) -> Told:
        fetched = await self._refreshed.read(_PATIENCE_SECONDS)
        warning = f"Coder: {fetched.error}" if fetched.error else None
        answer, age = fetched.value, fetched.age_seconds or 0.0
        if answer is None or age > self._holds_seconds:
            return Told(warning=warning)
        return Told(answer.task, warning or answer.warning)

    async def close(self) -> None:
        await self._refreshed.stop(_STOP_WITHIN_SECONDS)
        await self._api.close()

    async def _fetch(self) -> _Answer:
        work: list[Work] = []
        refusals: list[Refused] = []
        for ask in (self._tasks, self._chats):
            try:
                work += await ask()
            except Refused as refused:
                refusals.append(refused)
        if len(refusals) == 2:  # noqa: PLR2004  # both
            raise max(refusals, key=lambda refused: refused.status != _NOT_FOUND)
        # A release has tasks, or chats, or both.
        closed = [str(refused) for refused in refusals if refused.status != _NOT_FOUND]
        return _Answer(latest(work), f"Coder: {closed[0]}" if closed else None)

    async def _tasks(self) -> Sequence[Work]:
        answer = await self._tasks_at.first(lambda path: self._api.get(path, self._query))
        return tasks_of(self._workspace_id, answer)

    async def _chats(self) -> Sequence[Work]:
        return chats_of(self._workspace_id, await self._chats_at.first(self._chats_below))

    async def _chats_below(self, path: str) -> Any:
        try:
            found = await self._api.get(f"{path}/by-workspace", {"workspace_ids": self._workspace_id})
        except Refused:
            # Not all releases can tell them by workspace.
            return await self._api.get(path, {"limit": _CHATS_AT_MOST})
        chat_id = chat_of(self._workspace_id, found)
        return await self._chat(path, chat_id) if chat_id else []

    async def _chat(self, path: str, chat_id: UUID) -> Sequence[Any]:
        try:
            chat = await self._api.get(f"{path}/{chat_id}")
            root_id = root_of(chat)
            # Who gave it its work may still be at it.
            return [await self._api.get(f"{path}/{root_id}") if root_id else chat]
        except Refused:
            # Gone since a moment ago.
            return []
