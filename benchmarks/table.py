"""The table that a run ends with."""

import os
import platform
from collections.abc import Sequence

from figures import Result
from rich.console import Console
from rich.table import Table

REACHED = {True: "[green]yes", False: "[red]no", None: "-"}


def console() -> Console:
    """A terminal, or a file that is wide enough for the table."""
    found = Console()
    return found if found.is_terminal else Console(width=160)


def show(screen: Console, results: Sequence[Result], *, smoke: bool, others: str) -> None:
    """All results, and what machine they are of; `others` are the versions of what else took part."""
    table = Table("what", "target", "measured", "ours and theirs", "reached")
    for result in results:
        table.add_row(result.what, result.target, result.measured, result.figures, REACHED[result.reached])
    screen.print(table)
    load = os.getloadavg()[1]
    machine = (
        f"{os.cpu_count()} cores, load {load:.1f} in the last 5 minutes; Python {platform.python_version()}"
    )
    screen.print(f"{machine}, {others}", highlight=False)
    if smoke:
        screen.print("A smoke run: its figures mean nothing.")
