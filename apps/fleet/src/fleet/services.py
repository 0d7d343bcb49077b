import sys
from dataclasses import dataclass


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

SERVICES = {service.name: service for service in (GRAPH, CI, METADATA)}
"""What there is to start, by name and in the order of starting."""
