import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the database that may do no more than it says; schemas by name."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    """It may also create in them."""

    def arguments(self) -> list[str]:
        """How the command `grants` of a service is told of it."""
        reads = [word for schema in self.reads for word in ("--read", schema)]
        writes = [word for schema in self.writes for word in ("--write", schema)]
        return ["--role", self.name, *reads, *writes]


@dataclass(frozen=True, slots=True)
class Service:
    """One service of Fleet, run as `python -m <module>` with the command `serve --host <host> --port <port>`.

    It takes its other settings from the environment, and answers `ready_path` with 200 once it can work.
    """

    name: str
    title: str
    module: str
    port: int
    """The default of its option `--<name>-port`."""
    ready_path: str
    docs_path: str
    guarded_path: str
    """Answers 200 to a key with the scope read, and 401 to one that is not good."""
    key_variable: str | None = None
    """The environment variable that tells it the one key it takes, wherever that has to be sent.

    A service without it looks keys up in its database, which its command migrate brings up to date.
    """

    client_variables: tuple[str, str] | None = None
    """The environment variables that tell others where it is and with which key to ask it."""

    mcp_path: str | None = None
    """Where agents reach it."""

    role: Role | None = None
    """The role that it works on the database as, which its command grants makes; else it is the user of all."""

    @property
    def port_option(self) -> str:
        return f"--{self.name}-port"

    def command(self, *arguments: str) -> list[str]:
        """The command line that does `arguments`; -P keeps modules of the current folder out of its way."""
        return [sys.executable, "-P", "-m", self.module, *arguments]


GRAPH = Service(
    name="graph",
    title="dependency graph",
    module="dependency_graph",
    port=8000,
    ready_path="/readyz",
    docs_path="/docs",
    guarded_path="/api/v1/services",
    mcp_path="/mcp",
)

METADATA = Service(
    name="metadata",
    title="workspace metadata",
    module="fleet_metadata",
    port=8001,
    ready_path="/readyz",
    docs_path="/docs",
    guarded_path="/metadata",
    key_variable="FLEET_METADATA_TOKEN",
    mcp_path="/mcp",
)

CI = Service(
    name="ci",
    title="CI",
    module="ci_server",
    port=8002,
    ready_path="/readyz",
    docs_path="/docs",
    guarded_path="/jobs",
    client_variables=("CI_SERVER_URL", "CI_API_KEY"),
)

SQL = Service(
    name="sql",
    title="SQL",
    module="coldquery",
    port=8003,
    ready_path="/readyz",
    docs_path="/docs",
    guarded_path="/api/v1/tools",
    mcp_path="/mcp",
    role=Role("fleet_sql", reads=("graph",), writes=("public",)),
)

SERVICES = {service.name: service for service in (GRAPH, CI, METADATA, SQL)}
"""What there is to start, by name and in the order of starting."""
