from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ci_client.client import CiClient
    from ci_client.commands.screen import Screen

main = typer.Typer(
    help="Submits the tests of a project to a CI server, and follows them. "
    "Exit code 0: the tests passed; 1: they did not, or did not run to their end; 2: it cannot be done as it was "
    "asked; 3: the server does not tell.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job, or what only it begins with.")]
AsJson = Annotated[bool, typer.Option("--json", help="As the server tells it, in JSON.")]
AttemptNumber = Annotated[
    int | None, typer.Option("--attempt", min=1, help="An earlier attempt; without it the latest.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ci {version('ci-client')}")
        raise typer.Exit


@main.callback()
def ci(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


@contextmanager
def _at_work() -> Generator[tuple["CiClient", "Screen"]]:
    # All of that takes half a second to import, which `--help` need not wait for.
    from ci_client.client import CiClient
    from ci_client.commands.failing import exit_codes
    from ci_client.commands.screen import Screen

    with exit_codes(), CiClient() as client:
        yield client, Screen()


def _only_test(word: str) -> str:
    if word != "test":
        raise typer.BadParameter(f"there is only `test` to submit, not {word!r}; a command comes after `--`")
    return word


@main.command()
def submit(
    what: Annotated[str, typer.Argument(metavar="test", callback=_only_test, help="The word `test`.")],  # noqa: ARG001  # looked at by its callback
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- COMMAND...", help="Instead of pytest: a command, or in one word a shell line."
        ),
    ] = None,
    path: Annotated[Path, typer.Option(help="Folder of the project.")] = Path(),
    leave: Annotated[bool, typer.Option("--async", help="Print the job's id, and leave it running.")] = False,
    artifacts: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Files to keep; may be given again.")
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Environment variable; may be given again.")
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=VALUE]",
            help="The same, masked in the log; a NAME alone has its value from the environment, where nobody "
            "else sees it.",
        ),
    ] = None,
    image: Annotated[str | None, typer.Option(help="Image of the container.")] = None,
    timeout: Annotated[
        int | None, typer.Option(min=1, metavar="SECONDS", help="How long it may take.")
    ] = None,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="As 512m or 2g.")] = None,
    cpus: Annotated[float | None, typer.Option(min=0.1, help="Processors.")] = None,
    priority: Annotated[int | None, typer.Option(help="Among your own jobs; the highest first.")] = None,
    network: Annotated[bool, typer.Option("--network", help="The tests may use a network.")] = False,
    webhook: Annotated[str | None, typer.Option(metavar="URL", help="Is told of the end.")] = None,
    branch: Annotated[str | None, typer.Option(help="Instead of what git has checked out.")] = None,
    commit: Annotated[str | None, typer.Option(help="Instead of what git has checked out.")] = None,
) -> None:
    """Submit the tests of a project, show what they print, and exit as they do.

    In a git repository its files are those that git tracks or would track.
    """
    from ci_client.commands import submitting, values
    from ci_client.submission import Submission

    submission = Submission(
        command=values.shell_line(command or []),
        image=image,
        timeout=timeout,
        memory=values.memory_bytes(memory) if memory else None,
        cpus=cpus,
        priority=priority,
        network=network,
        webhook=webhook,
        artifacts=tuple(artifacts or []),
        branch=branch,
        commit=commit,
        env=values.variables(env or [], option="--env", from_environment=False),
        secrets=values.variables(secret or [], option="--secret", from_environment=True),
    )
    with _at_work() as (client, screen):
        (submitting.submit_only if leave else submitting.submit)(client, screen, path, submission)


@main.command()
def wait(
    job: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Id of the job, or its beginning.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="With an ID: its log from the beginning. Without: all of your jobs.")
    ] = False,
) -> None:
    """Show what a job prints from now on, and exit as its tests do; or wait for all jobs that have not ended."""
    from ci_client.commands.waiting import wait_for, wait_for_all

    if job is None and not everything:
        raise typer.BadParameter("name a job, or --all of yours", param_hint="ID")
    with _at_work() as (client, screen):
        if job is None:
            wait_for_all(client, screen)
        else:
            wait_for(client, screen, job, from_beginning=everything)


@main.command("list")
def list_jobs(
    query: Annotated[
        str | None, typer.Argument(help="Of command, branch or commit, or the beginning of an id.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="queued, running, completed, failed (not run to its end), cancelled.")
    ] = None,
    success: Annotated[
        bool | None, typer.Option("--passed/--failed", help="Only those whose tests did so.")
    ] = None,
    branch: Annotated[str | None, typer.Option(help="Only those of this branch.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at the most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show your jobs, the newest first."""
    from itertools import islice

    from ci_client.commands.tables import show_jobs, show_json

    with _at_work() as (client, _screen):
        found = client.jobs(status, success=success, q=query, branch=branch, page=min(limit, 100))
        (show_json if as_json else show_jobs)(list(islice(found, limit)))


@main.command()
def cancel(
    job: JobId, why: Annotated[str | None, typer.Option(help="Is recorded with the job.")] = None
) -> None:
    """Cancel a job; one that runs gets ten seconds to stop by itself."""
    from ci_client.job_ids import find_job

    with _at_work() as (client, screen):
        cancelled = client.cancel(find_job(client, job), why)
        done = "is cancelled" if cancelled.has_ended else "is being cancelled"
        screen.say(f"The job {cancelled.job_id} {done}.")


@main.command()
def retry(
    job: JobId,
    leave: Annotated[bool, typer.Option("--async", help="Print the job's id, and leave it running.")] = False,
) -> None:
    """Run a job that has ended once more, show what it prints, and exit as its tests do."""
    from ci_client.commands.waiting import retry as retry_and_follow
    from ci_client.job_ids import find_job

    with _at_work() as (client, screen):
        if leave:
            typer.echo(client.retry(find_job(client, job)).job_id)
        else:
            retry_and_follow(client, screen, job)


@main.command()
def logs(
    job: JobId,
    attempt: AttemptNumber = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> None:
    """Print what a job has printed, as it was printed."""
    from ci_client.commands.waiting import follow_log
    from ci_client.job_ids import find_job

    if follow and attempt:
        raise typer.BadParameter("an earlier attempt prints nothing more", param_hint="--follow")
    with _at_work() as (client, screen):
        if follow:
            follow_log(client, screen, job)
            return
        for data in client.log(find_job(client, job), attempt):
            screen.write(data)


@main.command()
def artifacts(
    job: JobId,
    download: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Fetch them into this folder.")
    ] = None,
    attempt: AttemptNumber = None,
    as_json: AsJson = False,
) -> None:
    """Show the files that a job left, or fetch them."""
    from ci_client.commands.tables import show_artifacts, show_json
    from ci_client.commands.waiting import fetch_artifacts
    from ci_client.job_ids import find_job

    with _at_work() as (client, screen):
        job_id = find_job(client, job)
        found = client.artifacts(job_id, attempt)
        if download:
            fetch_artifacts(client, screen, job_id, found, download, attempt)
        (show_json if as_json else show_artifacts)(found)


@main.command()
def config() -> None:
    """Show which server is asked, with which key, and what says so."""
    from ci_client.commands.failing import exit_codes
    from ci_client.settings import connection

    with exit_codes():
        at = connection()
        typer.echo(f"server  {at.server_url}  (from {at.url_source})")
        begin = "_".join((at.api_key or "").split("_")[:2]) if (at.api_key or "").count("_") > 1 else ""
        key = f"{begin}_***" if begin else "***"
        typer.echo(f"key     {key}  (from {at.key_source})" if at.api_key else "key     none; set CI_API_KEY")
