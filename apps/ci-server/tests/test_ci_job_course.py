"""Whatever is done in whatever order, the store does what the course says, and nothing else."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ci_course_model import CourseModel, Refused
from ci_storage import DIALECTS, migrated_database
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ci_server.domain.course import Outcome
from ci_server.domain.errors import ClaimLost, JobHasEnded, JobHasNotEnded
from ci_server.domain.job import ENDED, Job, JobSpec, Results, Status
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobFilter, JobStore
from ci_server.storage.tables import jobs

OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(sorted(ENDED)),
    success=st.booleans(),
    exit_code=st.none() | st.integers(-255, 255),
    reason=st.none() | st.just("why"),
    results=st.none() | st.just(Results(1, 0, 2, 0, 0.25)),
)
PICK = st.integers(0, 100)


class Course(RuleBasedStateMachine):
    """Every step is taken in the store and in the model."""

    database_url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)
        self.database = Database(self.database_url)
        self.store = JobStore(self.database, lambda: self.moment)
        self.model = CourseModel()
        self.held: list[Job] = []
        self.submitted = 0
        self.do(self.clear())

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(step)

    async def clear(self) -> None:
        async with self.database.write() as connection:
            await connection.execute(jobs.delete())

    def same(self, step: Coroutine[Any, Any, Any], modelled: Callable[[], object]) -> None:
        try:
            expected = modelled()
        except Refused:
            with pytest.raises((ClaimLost, JobHasEnded, JobHasNotEnded)):
                self.do(step)
        else:
            assert self.do(step) == expected

    def pick(self, number: int) -> str | None:
        ids = sorted(self.model.jobs)
        return ids[number % len(ids)] if ids else None

    @rule(seconds=st.integers(1, 3))
    def time_passes(self, seconds: int) -> None:
        self.moment += timedelta(seconds=seconds)

    @rule(user=st.sampled_from("ab"), priority=st.integers(-1, 1))
    def submit(self, user: str, priority: int) -> None:
        # Not in the order in which they come.
        job_id, self.submitted = f"{self.submitted * 7919 % 10007:032x}", self.submitted + 1
        spec = JobSpec(priority=priority, webhook="http://127.0.0.1/")
        self.model.submit(job_id, user, spec, self.moment)
        assert self.do(self.store.submit(job_id, user, spec)) == self.model.jobs[job_id].job

    @rule(per_user=st.none() | st.integers(1, 2))
    def claim(self, per_user: int | None) -> None:
        expected = self.model.claim(per_user, start_time=self.moment, host="host", runner="process")
        assert self.do(self.store.claim("host", "process", per_user)) == expected
        if expected:
            self.held.append(expected)

    @rule(number=PICK, log_base=st.integers(0, 1))
    def prepared(self, number: int, log_base: int) -> None:
        if held := self.of_a_controller(number):
            self.same(self.store.prepared(held, log_base), lambda: self.model.prepared(held, log_base))

    @rule(number=PICK)
    def started(self, number: int) -> None:
        if held := self.of_a_controller(number):
            self.same(self.store.started(held), lambda: self.model.started(held))

    @rule(number=PICK, outcome=OUTCOMES)
    def finish(self, number: int, outcome: Outcome) -> None:
        if held := self.of_a_controller(number):
            self.same(self.store.finish(held, outcome), lambda: self.model.finish(held, outcome, self.moment))

    @rule(number=PICK)
    def cancel(self, number: int) -> None:
        if job_id := self.pick(number):
            modelled = self.model.cancel
            self.same(
                self.store.cancel(job_id, "eve", "so"),
                lambda: modelled(job_id, "Cancelled by eve: so", self.moment),
            )

    @rule(number=PICK)
    def retry(self, number: int) -> None:
        if job_id := self.pick(number):
            self.same(self.store.retry(job_id, "eve"), lambda: self.model.retry(job_id, self.moment))

    @rule(number=PICK)
    def delete(self, number: int) -> None:
        if job_id := self.pick(number):
            self.same(self.store.delete(job_id), lambda: self.model.delete(job_id))

    def of_a_controller(self, number: int) -> Job | None:
        """A job as a controller got it at some time, which may be long ago."""
        return self.held[number % len(self.held)] if self.held else None

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        found = {job.job_id: job for job in self.do(self.store.list(JobFilter(), 1000))}
        assert found == {job_id: modelled.job for job_id, modelled in self.model.jobs.items()}
        places = {job.job_id: place for place, (_, job) in enumerate(self.model.queue(), start=1)}
        assert self.do(self.store.positions()) == places
        running = {job.job_id for job in self.do(self.store.running())}
        assert running == {job.job_id for job in self.model.having(Status.RUNNING)}

    def teardown(self) -> None:
        for job_id, modelled in self.model.jobs.items():
            for attempt in modelled.earlier:
                assert self.do(self.store.attempt(job_id, attempt.number)) == attempt
        self.do(self.database.close())
        self.runner.close()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_course_is_the_one_of_the_model(
    dialect: str, tmp_path: Path, create_database: Callable[..., str], drop_database: Callable[[str], None]
) -> None:
    with migrated_database(dialect, tmp_path, create_database, drop_database) as url:
        machine = type("CourseThere", (Course,), {"database_url": url})
        run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]
            machine,
            settings=settings(
                max_examples=25,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
