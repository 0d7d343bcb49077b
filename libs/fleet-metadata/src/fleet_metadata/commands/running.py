"""How commands look at a workspace, once or again and again, and with which code they end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import typer

from fleet_metadata.agents.workspace_metadata import WorkspaceMetadata
from fleet_metadata.board_of import UnknownCollector
from fleet_metadata.collection.selection import Selection
from fleet_metadata.collection.text import as_text
from fleet_metadata.collection.untold import NoSuchKey, NotTold
from fleet_metadata.commands.complaint import complain
from fleet_metadata.commands.lookup import value_of
from fleet_metadata.commands.reading import CannotRead, Reader

FAILED, WRONG, UNKNOWN = 1, 2, 3
INTERRUPTED, TERMINATED = 130, 143


def run(work: Callable[[Reader], Awaitable[None]], reader: Reader) -> None:
    """Run `work` with `reader`, and close that.

    Raises typer.Exit where it is stopped, and after one line on standard error where it fails as it may.
    """
    try:
        asyncio.run(_stoppable(work, reader))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except asyncio.CancelledError:
        raise typer.Exit(TERMINATED) from None
    except UnknownCollector as error:
        raise failure(error, WRONG) from None
    except NoSuchKey as error:
        raise failure(error, UNKNOWN) from None
    except (NotTold, CannotRead) as error:
        raise failure(error, FAILED) from None


def failure(fault: Exception, code: int) -> typer.Exit:
    """Says what went wrong; to be raised."""
    complain(fault)
    return typer.Exit(code)


async def tell(key: str, reader: Reader) -> str:
    """Print the value of `key`, and return what was printed."""
    text = as_text(await value_of(key, reader))
    # In UTF-8, whatever the terminal is said to take.
    typer.echo(text.encode())
    return text


async def follow(key: str, reader: Reader, seconds: float) -> None:
    """As `tell`, and then again at each change; faults after the first time are told, and pass."""
    told, fault = await tell(key, reader), ""
    while True:
        await asyncio.sleep(seconds)
        try:
            text, now = as_text(await value_of(key, reader)), ""
        except (NoSuchKey, NotTold, CannotRead) as error:
            text, now = told, str(error)
            if now != fault:
                complain(error)
        if text != told:
            typer.echo(text.encode())
        told, fault = text, now


async def look_again(
    selection: Selection,
    reader: Reader,
    seconds: float,
    show: Callable[[WorkspaceMetadata], None],
    failed: Callable[[CannotRead], None],
) -> None:
    """Show what holds every so many `seconds`; what cannot be read this time is told, and passes."""
    while True:
        try:
            show(await reader.read(selection))
        except CannotRead as error:
            failed(error)
        await asyncio.sleep(seconds)


async def _stoppable(work: Callable[[Reader], Awaitable[None]], reader: Reader) -> None:
    if task := asyncio.current_task():
        # What was started for this, git say, ends with it.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await work(reader)
    finally:
        await reader.close()
