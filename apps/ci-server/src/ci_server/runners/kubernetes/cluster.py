"""What all Jobs of an installation of the server have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ci_server.runners.container.configuration import LABEL
from ci_server.runners.kubernetes.api_server import ApiServer, Json
from ci_server.runners.kubernetes.job_folder import JobFolder
from ci_server.runners.kubernetes.kubernetes_job import KubernetesJob, Patience
from ci_server.runners.kubernetes.manifests import NETWORK_LABEL, RUN_LABEL
from ci_server.runners.unpacking import unpack
from ci_server.running.runner import Run

INSTALLS = "-install"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where Jobs are made, how they are named, and which volume they share with the server."""

    api: ApiServer
    prefix: str
    claim: str
    data_dir: Path
    """The root of the volume."""
    max_unpacked_bytes: int
    max_entries: int
    patience: Patience

    def running(self, name: str, attempt: Path) -> KubernetesJob:
        """That of a run, by the folder of its attempt."""
        return KubernetesJob(self.api, f"{self.prefix}-{name}", JobFolder(attempt / "run" / "job"))

    def installing(self, run: Run) -> KubernetesJob:
        """That of the installation of what a run needs."""
        return self.installing_for(run.name, run.folder)

    def installing_for(self, name: str, attempt: Path) -> KubernetesJob:
        folder = JobFolder(attempt / "run" / "installation")
        return KubernetesJob(self.api, f"{self.prefix}-{name}{INSTALLS}", folder)

    async def jobs(self, selector: str = "") -> Sequence[Json]:
        """Those of this installation, of its label and with names that begin as its own do."""
        found = await self.api.list("jobs", f"{LABEL}={self.prefix}" + (f",{selector}" if selector else ""))
        return [job for job in found if job["metadata"]["name"].startswith(f"{self.prefix}-")]

    def labels(self, run: Run, *, network: bool) -> Mapping[str, str]:
        return {LABEL: self.prefix, RUN_LABEL: run.name, NETWORK_LABEL: "all" if network else "none"}

    def on_volume(self, path: Path) -> str:
        return path.relative_to(self.data_dir).as_posix()

    def unpack(self, run: Run, into: Path, abandoned: Event) -> None:
        """The zip of a run. Blocks. Raises CannotRun and OSError."""
        unpack(
            run.project,
            into,
            max_bytes=self.max_unpacked_bytes,
            max_entries=self.max_entries,
            abandoned=abandoned,
        )
