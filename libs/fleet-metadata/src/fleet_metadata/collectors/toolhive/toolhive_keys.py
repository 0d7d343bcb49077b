from fleet_metadata.key import Key, ValueType

VERSION = "toolhive_version"

TOOLHIVE_KEYS = (
    Key(VERSION, ValueType.STRING, "Version of the ToolHive that is asked"),
    Key(
        "toolhive_workload_count",
        ValueType.NUMBER,
        "MCP servers that ToolHive has, stopped ones too",
    ),
    Key("toolhive_running_count", ValueType.NUMBER, "MCP servers of these that run"),
    Key(
        "toolhive_unhealthy_count",
        ValueType.NUMBER,
        "MCP servers of these that should run and do not work: unhealthy, in error, or not let in by whom they lead to",
        in_list=True,
    ),
    Key(
        "toolhive_workloads",
        ValueType.ARRAY,
        "These MCP servers by name: name, status, transport, url (where clients reach it), remote, group, "
        "package (its image, or the URL that a remote one leads to)",
    ),
)
