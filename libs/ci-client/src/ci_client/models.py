from datetime import datetime

from pydantic import BaseModel, ConfigDict

ENDED = ("completed", "failed", "cancelled")


class Results(BaseModel):
    """Tests by their outcome, and seconds."""

    model_config = ConfigDict(extra="allow", frozen=True)

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    errors: int = 0
    duration: float | None = None


class Job(BaseModel):
    """A job as the server tells of it. What a newer server tells beside that is kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    job_id: str
    status: str
    """queued, running, completed (tests ran, and passed or failed), failed (they did not), cancelled."""
    success: bool | None = None
    queued_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    exit_code: int | None = None
    reason: str | None = None
    attempt: int = 1
    priority: int = 0
    command: str | None = None
    branch: str | None = None
    commit: str | None = None
    results: Results | None = None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


class Artifact(BaseModel):
    """A file that a job left; `size` is in bytes, `path` is relative to the project, with slashes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    path: str
    size: int
    media_type: str | None = None
