import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

import typer

from ci_client.commands.following import INTERRUPTED
from ci_client.errors import CiError, ServerUnavailable, StrangeAnswer, StreamLost, SubmissionUncertain

WRONG, NOT_TOLD, BROKEN_PIPE = 2, 3, 141
_NOT_TOLD = (ServerUnavailable, StrangeAnswer, StreamLost, SubmissionUncertain)


@contextmanager
def exit_codes() -> Generator[None]:
    """Says on standard error what went wrong, and exits.

    With 2 where what was asked cannot be done as it was asked, with 3 where the server does not tell.
    """
    try:
        yield
    except CiError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(NOT_TOLD if isinstance(error, _NOT_TOLD) else WRONG) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read the output has enough; what is still in the buffer is not to complain of that again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None
