from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be done with a project; None leaves it to the server. Field names are those of its form."""

    command: str | None = None
    """A shell line; without one pytest."""
    image: str | None = None
    timeout: int | None = None
    """In seconds."""
    memory: int | None = None
    """In bytes."""
    cpus: float | None = None
    priority: int | None = None
    """Among your own jobs; the highest first."""
    network: bool = False
    """Whether the tests may use a network; the installation before them always may."""
    webhook: str | None = None
    artifacts: tuple[str, ...] = ()
    """Globs of files to keep, relative to the project."""
    branch: str | None = None
    commit: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """As `env`, and masked in the log."""

    def form(self) -> dict[str, str | list[str]]:
        """The fields of the form, without those that are left to the server."""
        single = {
            "command": self.command,
            "image": self.image,
            "timeout": self.timeout,
            "memory": self.memory,
            "cpus": self.cpus,
            "priority": self.priority,
            "network": "true" if self.network else None,
            "webhook": self.webhook,
            "branch": self.branch,
            "commit": self.commit,
        }
        repeated = {
            "artifacts": list(self.artifacts),
            "env": _assignments(self.env),
            "secrets": _assignments(self.secrets),
        }
        given = {name: str(value) for name, value in single.items() if value is not None}
        return given | {name: values for name, values in repeated.items() if values}


def _assignments(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]
