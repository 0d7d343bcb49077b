"""Why a run is being stopped, noted before that is done: who takes over after a crash calls its end by that name."""

from pathlib import Path
from typing import Literal, get_args

from ci_server.domain.course import Exit

Stopped = Literal["timeout", "cancelled", "output"]
"""What a controller stops a run for."""
_NAME = "stopping"


class StopWanted(Exception):
    """A run shall not go on; its argument is why."""

    def __init__(self, why: Stopped) -> None:
        super().__init__(why)
        self.why: Stopped = why


def note_stop(folder: Path, why: Stopped) -> None:
    """Note in the folder of an attempt what it is being stopped for. Raises OSError."""
    (folder / _NAME).write_text(why)


def noted_stop(folder: Path) -> Stopped | None:
    """What the attempt is being stopped for, if it is."""
    try:
        text = (folder / _NAME).read_text()
    except FileNotFoundError:
        return None
    return next((why for why in get_args(Stopped) if why == text), None)


def exit_after(exit_: Exit, stopped: Stopped | None) -> Exit:
    """How a run ended that was stopped by us, or not: what ended it is what it was stopped for.

    Unless its runner stopped it as well, for a reason of its own. What somebody else ended is lost.
    """
    if stopped and exit_.stopped in {None, "cancelled", "lost"}:
        return Exit(exit_.code, stopped)
    if not stopped and exit_.stopped == "cancelled":
        return Exit(exit_.code, "lost")
    return exit_
