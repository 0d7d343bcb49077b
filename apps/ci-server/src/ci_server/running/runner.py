"""What runs jobs: the port between the controller and a container engine, Kubernetes, or plain processes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ci_server.domain.course import Exit
from ci_server.domain.job import JobSpec


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of a job, as a runner sees it."""

    job_id: str
    attempt: int
    spec: JobSpec
    project: Path
    """The zip, which is good: it was checked when it came."""
    folder: Path
    """Of this attempt alone, and made; what a runner keeps on disk goes below `folder / "run"`."""
    environment: Mapping[str, str] = field(repr=False)
    """What the command gets, secrets among it, beside what the runner has to add."""
    command: str
    """A shell line (`sh -c`), to be run in the unpacked project."""

    @property
    def name(self) -> str:
        """Of all runs of this installation; letters, digits and dashes."""
        return f"{self.job_id}-{self.attempt}"


class CannotRun(Exception):
    """A run cannot be prepared or started; the text is shown to its submitter and says what to do."""


class RunnerAway(Exception):
    """The engine does not answer. What was asked for may have been done; ask again later."""


class Runner(Protocol):
    """Runs commands in isolation, so that they outlive the process that asked for them.

    A run is known by its name; every method may be called for runs that another process started. Each but
    `output` is safe to be called again. All raise RunnerAway where the engine does not answer.
    """

    @property
    def name(self) -> str:
        """As CI_RUNNER names it."""
        ...

    def prepare(self, run: Run) -> AsyncIterator[bytes]:
        """Install what the project needs, with a network, and yield what that prints.

        What was installed for the same lock files is used again. Begun anew after a crash or a cancellation,
        it starts from the beginning. Raises CannotRun.
        """
        ...

    async def start(self, run: Run) -> None:
        """Start the command of a prepared run; never twice, however often this is called. Raises CannotRun."""
        ...

    async def is_there(self, run: Run) -> bool:
        """Whether the run was started, and is running or has ended and was not removed."""
        ...

    def output(self, run: Run) -> AsyncIterator[bytes]:
        """All that the run has printed, from its first byte, and what it prints, until it has ended.

        Every call yields the same bytes, however cut; within 20 ms of their printing.
        """
        ...

    async def exit(self, run: Run) -> Exit:
        """How a run ended whose output has. It has `stopped` where the runner itself stopped it, or its engine."""
        ...

    async def stop(self, run: Run, grace_seconds: float) -> None:
        """End a run: ask it (SIGTERM), and kill what is left after the grace. Returns when it has ended."""
        ...

    async def collect(self, run: Run, globs: Sequence[str], into: Path) -> None:
        """Copy what matches, relative to the project, of an ended run into a folder, keeping the paths.

        Regular files only, whatever the run made of its project; links are not followed.
        """
        ...

    async def remove(self, run: Run) -> None:
        """Leave nothing of a run behind but what was collected; one that goes on is killed."""
        ...

    async def names(self) -> Sequence[str]:
        """The runs of this installation that are there, by name, with those that were only being prepared."""
        ...

    async def remove_by_name(self, name: str) -> None:
        """As `remove`, of a run that is among `names` and of which nothing else is known."""
        ...

    async def close(self) -> None:
        """Let go of the engine. What runs goes on."""
        ...
