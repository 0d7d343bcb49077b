"""What Coder's answers say of the work in a workspace: tasks, and the chats that succeed them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ValidationError

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.workspace.task import Task, TaskStatus

_NO_TABLE = "its answer is no table of chats: check CODER_AGENT_URL"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
# codersdk.WorkspaceAppStatusState, which the application in the workspace reports, and codersdk.TaskState.
_STATES = {
    "working": TaskStatus.RUNNING,
    "idle": TaskStatus.IDLE,
    "complete": TaskStatus.COMPLETED,
    "completed": TaskStatus.COMPLETED,
    "failure": TaskStatus.FAILED,
    "failed": TaskStatus.FAILED,
}
# codersdk.TaskStatus, which is of the task's workspace: "active" and "unknown" say nothing of the work.
_TASK_STATUSES = {
    "pending": TaskStatus.RUNNING,
    "initializing": TaskStatus.RUNNING,
    "paused": TaskStatus.IDLE,
    "error": TaskStatus.FAILED,
}
# codersdk.ChatStatus, of all releases. A chat waits when it is new, and when it has ended its turn.
_CHAT_STATUSES = {
    "pending": TaskStatus.RUNNING,
    "running": TaskStatus.RUNNING,
    "interrupting": TaskStatus.RUNNING,
    "requires_action": TaskStatus.RUNNING,
    "waiting": TaskStatus.IDLE,
    "paused": TaskStatus.IDLE,
    "completed": TaskStatus.COMPLETED,
    "error": TaskStatus.FAILED,
}


class Work(NamedTuple):
    """A task, and when Coder last heard of it."""

    at: datetime
    task: Task


class _State(BaseModel):
    state: str
    message: str | None = None
    timestamp: AwareDatetime = _LONG_AGO


class _CoderTask(BaseModel):
    name: str | None = None
    display_name: str | None = None
    status: str | None = None
    current_state: _State | None = None
    updated_at: AwareDatetime = _LONG_AGO

    def work(self) -> Work | None:
        """None where Coder does not know how it stands with the work, as nobody reported anything."""
        name, state = self.display_name or self.name, self.current_state
        if state is None:
            status = _TASK_STATUSES.get(self.status or "")
            return _work(self.updated_at, status, name) if status else None
        return _work(state.timestamp, _known(_STATES, state.state), state.message or name)


class _Chat(BaseModel):
    title: str | None = None
    status: str
    updated_at: AwareDatetime = _LONG_AGO
    archived: bool = False
    children: "list[_Chat] | None" = None

    def work(self) -> Work | None:
        """None where it is put away. It is at work as long as one of those is that it gave work to."""
        status = _known(_CHAT_STATUSES, self.status)
        if TaskStatus.RUNNING in [_CHAT_STATUSES.get(chat.status) for chat in self.children or ()]:
            status = TaskStatus.RUNNING
        return None if self.archived else _work(self.updated_at, status, self.title)


_Item = TypeVar("_Item", _CoderTask, _Chat)


def latest(work: Iterable[Work]) -> Task | None:
    """The one with the latest news; of equal ones the last."""
    ordered = sorted(work, key=lambda one: one.at)
    return ordered[-1].task if ordered else None


def tasks_of(workspace_id: str, answer: Any) -> Sequence[Work]:
    """The work that a list of tasks, `{"tasks": […]}`, has for the workspace. Raises CollectionFailed."""
    return _work_of(workspace_id, answer.get("tasks", ()) if isinstance(answer, dict) else (), _CoderTask)


def chats_of(workspace_id: str, answer: Any) -> Sequence[Work]:
    """The work that a list of chats, `[…]`, has for the workspace. Raises CollectionFailed."""
    return _work_of(workspace_id, answer, _Chat)


def chat_of(workspace_id: str, answer: Any) -> UUID | None:
    """Which chat `{workspace: chat}` has for the workspace. Raises CollectionFailed."""
    if not isinstance(answer, dict):
        raise CollectionFailed(_NO_TABLE)
    chats = {str(workspace).lower(): chat for workspace, chat in answer.items()}
    try:
        return UUID(str(chats[workspace_id.lower()])) if chats else None
    except (KeyError, ValueError):
        raise CollectionFailed(_NO_TABLE) from None


def root_of(chat: Any) -> UUID | None:
    """The chat that `chat` got its work from, if it is not itself where that came in. Raises CollectionFailed."""
    try:
        return UUID(str(chat["root_chat_id"])) if chat.get("root_chat_id") else None
    except (AttributeError, ValueError):
        raise CollectionFailed(_NO_TABLE) from None


def _work_of(workspace_id: str, items: Any, kind: type[_Item]) -> Sequence[Work]:
    # A list of nothing may be null.
    items = [] if items is None else items
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise CollectionFailed("its answer is no list of tasks or chats: check CODER_AGENT_URL")
    ours = [item for item in items if _workspace_id(item) == workspace_id.lower()]
    try:
        works = [kind.model_validate(item).work() for item in ours]
    except ValidationError:
        raise CollectionFailed("what it tells of the work in this workspace is not understood") from None
    return [work for work in works if work]


def _workspace_id(item: Mapping[str, Any]) -> str:
    told = item.get("workspace_id")
    # The documentation has an object, the server sends the id.
    told = told.get("uuid") if isinstance(told, dict) else told
    return str(told).lower()


def _known(statuses: Mapping[str, TaskStatus], word: str) -> TaskStatus:
    if status := statuses.get(word):
        return status
    raise CollectionFailed("it tells a status of the work in this workspace that is not known here")


def _work(at: datetime, status: TaskStatus, description: str | None) -> Work:
    return Work(at, Task(status, description or None, "coder"))
