"""What the server answers, as it is written."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from ci_server.domain.job import Job, Status

EXAMPLE_ID = "0123456789abcdef0123456789abcdef"


class ResultsAnswer(BaseModel):
    """What the JUnit XML says: tests by their outcome, and seconds."""

    model_config = ConfigDict(from_attributes=True)

    passed: int
    failed: int
    skipped: int
    errors: int
    duration: float


class JobAnswer(BaseModel):
    """A job with its latest attempt. Times are in UTC, and null until they have come."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: Status
    success: bool | None = Field(description="whether the tests passed; null until the end")
    queued_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    exit_code: int | None
    reason: str | None = Field(description="why it failed, or was cancelled and by whom")
    attempt: int
    priority: int
    command: str | None = Field(description="null for pytest")
    branch: str | None
    commit: str | None
    results: ResultsAnswer | None

    @classmethod
    def of(cls, job: Job) -> Self:
        spec, attempt = job.spec, job.attempt
        return cls.model_validate(
            {
                "job_id": job.job_id,
                "status": attempt.status,
                "success": attempt.success,
                "queued_time": attempt.queued_time,
                "start_time": attempt.start_time,
                "end_time": attempt.end_time,
                "exit_code": attempt.exit_code,
                "reason": attempt.reason,
                "attempt": attempt.number,
                "priority": spec.priority,
                "command": spec.command,
                "branch": spec.branch,
                "commit": spec.commit,
                "results": attempt.results,
            }
        )


class Submitted(BaseModel):
    job_id: str = Field(examples=[EXAMPLE_ID])


class Artifact(BaseModel):
    path: str = Field(description="relative to the project, for GET /jobs/{job_id}/artifacts/{path}")
    size: int = Field(description="in bytes")
    media_type: str


def public_job(job: Job) -> dict[str, Any]:
    """A job as `GET /jobs/{job_id}` answers it, ready for JSON; for webhooks too."""
    return JobAnswer.of(job).model_dump(mode="json")
