"""What `ci_server.domain.course` says, as a plain model without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ci_server.domain.course import Outcome
from ci_server.domain.job import ENDED, Attempt, Job, JobSpec, Status


class Refused(Exception):
    """The course has no such step."""


@dataclass
class Modelled:
    """A job with all its attempts."""

    job: Job
    earlier: list[Attempt] = field(default_factory=list[Attempt])


class CourseModel:
    def __init__(self) -> None:
        self.jobs: dict[str, Modelled] = {}

    def submit(self, job_id: str, user: str, spec: JobSpec, moment: object) -> None:
        attempt = Attempt(1, Status.QUEUED, queued_time=moment)  # pyright: ignore[reportArgumentType]
        self.jobs[job_id] = Modelled(Job(job_id, user, spec, attempt, attempt.queued_time))

    def having(self, status: Status) -> Sequence[Job]:
        return [modelled.job for modelled in self.jobs.values() if modelled.job.attempt.status is status]

    def queue(self) -> Sequence[tuple[int, Job]]:
        """With the slots, in the order of the claims."""
        running = [job.user for job in self.having(Status.RUNNING)]
        slots: list[tuple[int, Job]] = []
        waiting = sorted(self.having(Status.QUEUED), key=lambda job: (-job.spec.priority, *_age(job)))
        for place, job in enumerate(waiting):
            before = [other.user for other in waiting[:place]].count(job.user)
            slots.append((running.count(job.user) + before + 1, job))
        return sorted(slots, key=lambda found: (found[0], *_age(found[1])))

    def claim(self, per_user: int | None, **taken: object) -> Job | None:
        possible = [job for slot, job in self.queue() if per_user is None or slot <= per_user]
        return self._change(possible[0], status=Status.RUNNING, **taken) if possible else None

    def prepared(self, held: Job, log_base: int) -> Job:
        job = self._running(held)
        if job.attempt.log_base not in {None, log_base}:
            raise Refused
        return self._change(job, log_base=log_base)

    def started(self, held: Job) -> Job:
        job = self._running(held)
        if job.attempt.log_base is None:
            raise Refused
        return self._change(job, started=True)

    def finish(self, held: Job, outcome: Outcome, moment: object) -> Job:
        return self._end(self._running(held), outcome, moment)

    def cancel(self, job_id: str, reason: str, moment: object) -> Job:
        job = self.jobs[job_id].job
        if job.attempt.status in ENDED:
            raise Refused
        if job.attempt.status is Status.QUEUED:
            return self._end(job, Outcome(Status.CANCELLED, False, reason=reason), moment)
        return self._change(job, cancel_wanted=job.attempt.cancel_wanted or reason)

    def retry(self, job_id: str, moment: object) -> Job:
        modelled = self.jobs[job_id]
        if modelled.job.attempt.status not in ENDED:
            raise Refused
        modelled.earlier.append(modelled.job.attempt)
        attempt = Attempt(modelled.job.attempt.number + 1, Status.QUEUED)
        modelled.job = replace(modelled.job, attempt=attempt)
        return self._change(modelled.job, queued_time=moment)

    def delete(self, job_id: str) -> bool:
        if self.jobs[job_id].job.attempt.status not in ENDED:
            return False
        del self.jobs[job_id]
        return True

    def _running(self, held: Job) -> Job:
        modelled = self.jobs.get(held.job_id)
        if modelled is None or modelled.job.attempt.status is not Status.RUNNING:
            raise Refused
        if modelled.job.attempt.number != held.attempt.number:
            raise Refused
        return modelled.job

    def _end(self, job: Job, outcome: Outcome, moment: object) -> Job:
        return self._change(
            job,
            status=outcome.status,
            success=outcome.success,
            exit_code=outcome.exit_code,
            reason=outcome.reason,
            results=outcome.results,
            end_time=moment,
        )

    def _change(self, job: Job, **values: object) -> Job:
        changed = replace(job, attempt=replace(job.attempt, **values))  # pyright: ignore[reportArgumentType]
        self.jobs[job.job_id].job = changed
        return changed


def _age(job: Job) -> tuple[object, str]:
    return job.attempt.queued_time, job.job_id
