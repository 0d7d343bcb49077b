import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import groupby

import typer
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fleet_metadata.agents.workspace_metadata import CollectorState, WorkspaceMetadata
from fleet_metadata.collection.text import as_text
from fleet_metadata.commands.complaint import complain

_COLOURS = {"ok": "green", "stale": "yellow", "failed": "red"}
_NOTHING = "-"


class Screen:
    """What `show` shows: tables on a terminal, values cut to its width; elsewhere plain lines with values whole."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            # Of a terminal that is said to take few characters.
            sys.stdout.reconfigure(errors="replace")
        # Values may hold what rich takes for markup or emoji.
        self._console = Console(markup=False, emoji=False, highlight=False)
        self._live: Live | None = None

    @contextmanager
    def in_place(self) -> Generator[None]:
        """On a terminal, what is shown within the context takes the place of what was shown before."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False, vertical_overflow="ellipsis") as self._live:
            yield
        self._live = None

    def show(self, metadata: WorkspaceMetadata) -> None:
        """The keys, and how it stands with each collector."""
        if self._console.is_terminal:
            tables = _tables(metadata, self._console.width)
            if self._live:
                self._live.update(tables, refresh=True)
            else:
                self._console.print(tables)
        else:
            _say("\n".join(_lines(metadata)))

    def show_json(self, metadata: WorkspaceMetadata) -> None:
        """The document; in a line of its own where no person reads it."""
        indent = 2 if self._console.is_terminal else None
        _say(json.dumps(metadata.document, ensure_ascii=False, indent=indent))

    def complain(self, fault: Exception) -> None:
        """Why there is nothing to show this time."""
        if self._live:
            self._live.update(Text(str(fault), style="red"), refresh=True)
        else:
            complain(fault)


def _say(text: str) -> None:
    # In UTF-8, whatever the terminal is said to take: it may be read by another program.
    typer.echo(text.encode())


def _tables(metadata: WorkspaceMetadata, width: int) -> Group:
    truncated = _truncated(metadata)
    return Group(
        _key_table(metadata, width),
        _collector_table(metadata.collectors),
        *([Text(truncated)] if truncated else []),
    )


def _key_table(metadata: WorkspaceMetadata, width: int) -> Table:
    table = Table(box=SIMPLE)
    table.add_column("key", no_wrap=True, max_width=width // 2)
    # The column gives way to that of the keys, and its texts stay in one line all the same.
    table.add_column("value")
    for group in _groups(metadata):
        for name, text in group:
            style = "dim" if text == _NOTHING else ""
            table.add_row(Text(name), Text(text, style, no_wrap=True, overflow="ellipsis"))
        table.add_section()
    return table


def _collector_table(states: Sequence[CollectorState]) -> Table:
    table = Table("collector", "state", box=SIMPLE)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    # Whole on any terminal: it says what to do.
    table.add_column("why", overflow="fold")
    for state in states:
        status = Text(as_text(state.status), style=_COLOURS.get(state.status, "dim"))
        took, age = _duration(state.duration_ms, "ms"), _duration(state.age_seconds or None, "s")
        table.add_row(Text(as_text(state.name)), status, took, age, Text(as_text(state.error)))
    return table


def _lines(metadata: WorkspaceMetadata) -> Generator[str]:
    width = max(map(len, metadata.data), default=0)
    for group in _groups(metadata):
        for name, text in group:
            yield f"{name:<{width}}  {text}"
        yield ""
    for state in metadata.collectors:
        why = as_text(state.error)
        yield f"collector {as_text(state.name)}: {as_text(state.status)}{why and f' ({why})'}"
    if truncated := _truncated(metadata):
        yield truncated


def _groups(metadata: WorkspaceMetadata) -> Sequence[Sequence[tuple[str, str]]]:
    """Names and texts of the keys, those of a collector together."""
    names = sorted((state.name for state in metadata.collectors), key=len, reverse=True)

    def collector_of(row: tuple[str, str]) -> str:
        by_name = (name for name in names if row[0].startswith(f"{name}_"))
        return next(by_name, row[0].partition("_")[0])

    rows = [(as_text(name), as_text(entry.value) or _NOTHING) for name, entry in metadata.data.items()]
    return [list(group) for _, group in groupby(rows, collector_of)]


def _duration(number: float | None, unit: str) -> str:
    return "" if number is None else f"{number:.0f} {unit}"


def _truncated(metadata: WorkspaceMetadata) -> str:
    names = ", ".join(as_text(name) for name in metadata.truncated)
    return f"Cut or left out for their size: {names}" if names else ""
