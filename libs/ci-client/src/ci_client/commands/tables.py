import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ci_client.commands.outcome import counted
from ci_client.models import Artifact, Job

_STYLES = {"passed": "green", "failed": "red", "running": "cyan", "cancelled": "yellow", "not run": "red"}
_SHORT_ID, _SHORT_COMMIT = 8, 8


def show_json(items: BaseModel | Sequence[BaseModel]) -> None:
    dumped = (
        items.model_dump(mode="json")
        if isinstance(items, BaseModel)
        else [item.model_dump(mode="json") for item in items]
    )
    typer.echo(json.dumps(dumped, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None).encode())


def show_jobs(jobs: Iterable[Job]) -> None:
    """A table on a terminal; elsewhere a line for each with tabs between, all whole."""
    if not sys.stdout.isatty():
        for job in jobs:
            _line(job.job_id, _state(job), job.branch, job.commit, _iso(job.queued_time), job.command)
        return
    table = _table("job", "state", "tests", "branch", "commit", "submitted", "command")
    for job in jobs:
        state = _state(job)
        _row(
            table,
            job.job_id[:_SHORT_ID],
            Text(state, _STYLES.get(state, "")),
            counted(job.results) if job.results else "",
            job.branch,
            (job.commit or "")[:_SHORT_COMMIT],
            _local(job.queued_time),
            job.command,
        )
    _print(table)


def show_artifacts(artifacts: Iterable[Artifact]) -> None:
    """As `show_jobs`."""
    if not sys.stdout.isatty():
        for artifact in artifacts:
            _line(artifact.path, str(artifact.size), artifact.media_type)
        return
    table = _table("path", "size", "type")
    for artifact in artifacts:
        _row(table, artifact.path, decimal(artifact.size), artifact.media_type)
    _print(table)


def _state(job: Job) -> str:
    if job.status == "completed":
        return "passed" if job.success else "failed"
    return "not run" if job.status == "failed" else job.status


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    return table


def _row(table: Table, *cells: str | Text | None) -> None:
    table.add_row(*(cell if isinstance(cell, Text) else Text(_printable(cell or "")) for cell in cells))


def _print(table: Table) -> None:
    Console(markup=False, emoji=False, highlight=False).print(table)


def _line(*cells: str | None) -> None:
    typer.echo("\t".join(_printable(cell or "-") for cell in cells).encode(errors="replace"))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _local(moment: datetime | None) -> str | None:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else None
