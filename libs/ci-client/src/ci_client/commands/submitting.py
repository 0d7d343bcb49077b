from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer

from ci_client.client import CiClient
from ci_client.commands.following import Following, leave_with
from ci_client.commands.screen import Screen
from ci_client.project.archive import zipped
from ci_client.project.checkout import of_checkout
from ci_client.project.listing import list_project
from ci_client.submission import Submission


def submit(client: CiClient, screen: Screen, folder: Path, submission: Submission) -> None:
    """Submit the project, show its log, and exit as its tests say. Raises CiError."""
    with ExitStack() as until_sent:
        project = until_sent.enter_context(_zipped_project(screen, folder))
        described = of_checkout(submission, folder)
        on_bytes = until_sent.enter_context(screen.progress("Uploading", project.stat().st_size))
        job = Following(client, screen).follow(
            lambda on_pause: client.submit_streaming(project, described, on_bytes, on_pause),
            until_sent.close,
        )
    leave_with(job)


def submit_only(client: CiClient, screen: Screen, folder: Path, submission: Submission) -> None:
    """Submit the project, and print the id of its job. Raises CiError."""
    with (
        _zipped_project(screen, folder) as project,
        screen.progress("Uploading", project.stat().st_size) as on_bytes,
    ):
        job_id = client.submit(project, of_checkout(submission, folder), on_bytes)
    typer.echo(job_id)


@contextmanager
def _zipped_project(screen: Screen, folder: Path) -> Generator[Path]:
    listing = list_project(folder)
    screen.warn(list(listing.warnings))
    size = sum(entry.path.stat().st_size for entry in listing.files if entry.path.exists())
    with ExitStack() as stack:
        with screen.progress("Zipping", size) as on_bytes:
            project = stack.enter_context(zipped(listing.files, on_bytes))
        yield project
