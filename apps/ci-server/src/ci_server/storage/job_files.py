from pathlib import Path


class JobFiles:
    """Where the files of jobs are, below CI_DATA_DIR. Paths only: nothing is made or read here."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.uploads = self.data_dir / "uploads"
        """Of submissions under way; what is left here by a crash is nobody's."""
        self.jobs = self.data_dir / "jobs"
        self.environments = self.data_dir / "environments"
        """What was installed, by the lock files that say it."""

    def job(self, job_id: str) -> Path:
        """All that is kept of a job."""
        return self.jobs / job_id

    def project(self, job_id: str) -> Path:
        """The zip, as it was submitted."""
        return self.job(job_id) / "project.zip"

    def secrets(self, job_id: str) -> Path:
        """A JSON object of names and values, mode 0600; absent where there are none."""
        return self.job(job_id) / "secrets.json"

    def attempt(self, job_id: str, number: int) -> Path:
        return self.job(job_id) / "attempts" / str(number)

    def log(self, job_id: str, number: int) -> Path:
        """What an attempt printed, secrets masked. It only grows, and is final once the attempt has ended."""
        return self.attempt(job_id, number) / "log"

    def artifacts(self, job_id: str, number: int) -> Path:
        return self.attempt(job_id, number) / "artifacts"

    def lock(self, job_id: str, number: int) -> Path:
        """Held (flock) by the controller that follows the attempt, for as long as that lives."""
        return self.attempt(job_id, number) / "lock"
