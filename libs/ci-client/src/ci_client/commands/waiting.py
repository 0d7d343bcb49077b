from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NoReturn

import typer

from ci_client.client import CiClient
from ci_client.commands.following import Following, leave_with
from ci_client.commands.outcome import exit_code
from ci_client.commands.screen import Screen
from ci_client.errors import StrangeAnswer
from ci_client.job_ids import find_job
from ci_client.models import Artifact, Job


def wait_for(client: CiClient, screen: Screen, job: str, *, from_beginning: bool) -> NoReturn:
    """Show the log of one job, and exit as its tests say."""
    leave_with(_followed(client, screen, find_job(client, job), from_beginning=from_beginning))


def wait_for_all(client: CiClient, screen: Screen) -> NoReturn:
    """Wait for all jobs that have not ended yet, and exit with 0 if all of them passed."""
    jobs = list(chain.from_iterable(client.jobs(status) for status in ("running", "queued")))
    if not jobs:
        screen.say("No job of yours is queued or running.")
    # One may have begun to run between the two questions.
    ids = list(dict.fromkeys(job.job_id for job in jobs))
    codes = [exit_code(_followed(client, screen, job_id, quiet=True).success) for job_id in ids]
    raise typer.Exit(max(codes, default=0))


def retry(client: CiClient, screen: Screen, job: str) -> NoReturn:
    """Run the job once more, and exit as its tests say."""
    retried = client.retry(find_job(client, job))
    screen.say(f"Job {retried.job_id}, attempt {retried.attempt}", "dim")
    leave_with(_followed(client, screen, retried.job_id, from_beginning=True))


def follow_log(client: CiClient, screen: Screen, job: str) -> None:
    """Show the log of one job from the beginning to the job's end."""
    _followed(client, screen, find_job(client, job), from_beginning=True)


def fetch_artifacts(
    client: CiClient,
    screen: Screen,
    job_id: str,
    artifacts: Sequence[Artifact],
    folder: Path,
    attempt: int | None,
) -> None:
    """Fetch them below `folder`. Raises StrangeAnswer after the others where one does not belong there."""
    strange = None
    for artifact in artifacts:
        screen.show(f"fetching {artifact.path}")
        try:
            client.download(job_id, artifact.path, folder, attempt)
        except StrangeAnswer as error:
            strange = error
    screen.show("")
    if strange:
        raise strange


def _followed(
    client: CiClient, screen: Screen, job_id: str, *, from_beginning: bool = False, quiet: bool = False
) -> Job:
    if quiet:
        screen.say(f"Job {job_id}", "dim")
    return Following(client, screen, with_log=not quiet).follow(
        lambda on_pause: client.stream(job_id, from_beginning=from_beginning, on_pause=on_pause)
    )
