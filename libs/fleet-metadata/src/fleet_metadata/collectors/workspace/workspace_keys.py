from fleet_metadata.collectors.workspace.task import TaskStatus
from fleet_metadata.key import Key, ValueType

WORKSPACE_KEYS = (
    Key("workspace_id", ValueType.STRING, "Id of the workspace in Coder, null outside of Coder"),
    Key("workspace_name", ValueType.STRING, "Name of the workspace in Coder", in_list=True),
    Key("workspace_owner", ValueType.STRING, "Name of the user in Coder whom it belongs to", in_list=True),
    Key("workspace_agent_name", ValueType.STRING, "Name of Coder's agent in the workspace"),
    Key(
        "workspace_task_status",
        ValueType.ENUM,
        "How it stands with the task at work in the workspace, idle without one, null where that cannot be told",
        in_list=True,
        values=tuple(TaskStatus),
    ),
    Key("workspace_task_description", ValueType.STRING, "What the task is about", in_list=True),
    Key(
        "workspace_task_source",
        ValueType.STRING,
        "Who tells of the task: whom the task file names, or file, coder or process; null without a task",
    ),
    Key(
        "workspace_cpu_percent",
        ValueType.NUMBER,
        "CPU in use of what the workspace may use, since the last look; 0 to 100",
    ),
    Key(
        "workspace_memory_percent",
        ValueType.NUMBER,
        "Memory in use of what the workspace may use; 0 to 100",
    ),
    Key(
        "workspace_disk_percent",
        ValueType.NUMBER,
        "How full the file system of the workspace's folder is; 0 to 100",
    ),
)
