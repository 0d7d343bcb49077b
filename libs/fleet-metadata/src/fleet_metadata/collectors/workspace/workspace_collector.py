import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fleet_metadata.collector import Reading
from fleet_metadata.collectors.workspace.cgroup import Cgroup
from fleet_metadata.collectors.workspace.coder_api import CoderApi
from fleet_metadata.collectors.workspace.coder_tasks import CoderTasks
from fleet_metadata.collectors.workspace.resources import Resources
from fleet_metadata.collectors.workspace.task import NO_TASK, Task, TaskSource
from fleet_metadata.collectors.workspace.task_file import TaskFile
from fleet_metadata.collectors.workspace.task_processes import TaskProcesses
from fleet_metadata.collectors.workspace.workspace_keys import WORKSPACE_KEYS
from fleet_metadata.settings import Settings

if TYPE_CHECKING:
    # As in the collector of git.
    from fleet_metadata.workspace import Workspace


class WorkspaceCollector:
    """Tells which workspace this is, what is being worked at in it, and how much of it is in use."""

    name = "workspace"
    prefix = "workspace_"
    keys = WORKSPACE_KEYS

    def __init__(self, workspace: "Workspace", cgroup: Cgroup | None = None) -> None:
        settings = workspace.settings
        self._coder = _coder(settings)
        self._sources: Sequence[TaskSource] = [
            TaskFile(settings.fleet_task_file),
            *([self._coder] if self._coder else []),
            TaskProcesses(settings.fleet_task_processes),
        ]
        self._resources = Resources(workspace.folder, cgroup or Cgroup())
        self._identity = {
            "workspace_id": settings.coder_workspace_id,
            "workspace_name": settings.coder_workspace_name,
            "workspace_owner": settings.coder_workspace_owner,
            "workspace_agent_name": settings.coder_agent_name,
        }

    async def collect(self) -> Reading:
        """What holds now; what cannot be told of it is null, or told by the next source, and a warning says why."""
        usage, (task, warnings) = await asyncio.gather(self._resources.usage(), self._task())
        return Reading(
            {
                **self._identity,
                "workspace_task_status": task and task.status.value,
                "workspace_task_description": task and task.description,
                "workspace_task_source": task and task.source,
                "workspace_cpu_percent": usage.cpu_percent,
                "workspace_memory_percent": usage.memory_percent,
                "workspace_disk_percent": usage.disk_percent,
            },
            (*warnings, *usage.warnings),
        )

    async def close(self) -> None:
        """End what Coder is being asked."""
        if self._coder:
            await self._coder.close()

    async def _task(self) -> tuple[Task | None, Sequence[str]]:
        """That of the first source that knows of one; None where one that might know cannot be read."""
        warnings: list[str] = []
        for source in self._sources:
            told = await source.read()
            warnings += [told.warning] if told.warning else []
            if told.task:
                return told.task, warnings
        return None if warnings else NO_TASK, warnings


def _coder(settings: Settings) -> CoderTasks | None:
    url, token, workspace_id = (
        settings.coder_agent_url,
        settings.coder_agent_token,
        settings.coder_workspace_id,
    )
    if not (url and token and workspace_id):
        return None
    api = CoderApi(url, token.get_secret_value())
    return CoderTasks(api, workspace_id, settings.coder_workspace_owner, settings.metadata_refresh_seconds)
