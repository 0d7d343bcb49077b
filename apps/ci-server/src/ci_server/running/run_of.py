import json
from collections.abc import Mapping

from ci_server.domain.job import Job
from ci_server.running.runner import CannotRun, Run
from ci_server.storage.job_files import JobFiles

JUNIT = "junit.xml"
PYTEST = "python -m pytest"
ARTIFACTS = (JUNIT, "coverage.xml", ".coverage", "htmlcov/**")
"""What is kept of every run that makes it, beside what its submitter names."""


def run_of(job: Job, files: JobFiles) -> Run:
    """The latest attempt of a job as a runner sees it. Raises CannotRun where its files are gone."""
    project = files.project(job.job_id)
    if not project.is_file():
        raise CannotRun("The zip of the job is not on the server any more; submit it again.")
    return Run(
        job_id=job.job_id,
        attempt=job.attempt.number,
        spec=job.spec,
        project=project,
        folder=files.attempt(job.job_id, job.attempt.number),
        environment=_environment({**job.spec.env, **secrets_of(job.job_id, files)}),
        command=job.spec.command or PYTEST,
    )


def run_name(job: Job) -> str:
    """What a runner calls the latest attempt of a job."""
    return f"{job.job_id}-{job.attempt.number}"


def secrets_of(job_id: str, files: JobFiles) -> Mapping[str, str]:
    """The secrets of a job by their names; none where it came with none."""
    try:
        return json.loads(files.secrets(job_id).read_bytes())
    except FileNotFoundError:
        return {}


def globs_of(run: Run) -> tuple[str, ...]:
    """What is kept of a run, relative to its project."""
    return tuple(dict.fromkeys((*ARTIFACTS, *run.spec.artifacts)))


def _environment(given: Mapping[str, str]) -> Mapping[str, str]:
    options = f"{given.get('PYTEST_ADDOPTS', '')} --junitxml={JUNIT}".strip()
    return {"PYTHONUNBUFFERED": "1", **given, "PYTEST_ADDOPTS": options}
