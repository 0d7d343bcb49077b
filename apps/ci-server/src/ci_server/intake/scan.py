import asyncio
import os
import shlex
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from ci_server.domain.errors import UploadRefused

_SECONDS = 60.0
_SHOWN = 1024


class ScanUnavailable(Exception):
    """The command that looks through uploads cannot be run. It is not the uploader's fault."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The upload could not be scanned: {why}. See CI_UPLOAD_SCAN_COMMAND of the server.")


async def scan(command: str, path: Path, seconds: float = _SECONDS) -> None:
    """Have a command look at a zip, whose path is appended to it as an argument.

    Raises UploadRefused where it does not exit with 0, or not in time, and ScanUnavailable. Where it is not
    in time, or this is cancelled, its process group is killed.
    """
    with tempfile.TemporaryFile() as output:
        process = await _start(command, path, output)
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
        except TimeoutError:
            raise UploadRefused(
                f"The scan of the upload took more than {seconds:g} s; try a smaller one"
            ) from None
        finally:
            await _kill(process)
        if code:
            said = _first_line(output).replace(str(path), path.name) or f"exit code {code}"
            raise UploadRefused(f"The scan of the upload refused it: {said}")


async def _start(command: str, path: Path, output: IO[bytes]) -> asyncio.subprocess.Process:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ScanUnavailable(str(error)) from error
    if not words:
        raise ScanUnavailable("there is no command")
    nothing = asyncio.subprocess.DEVNULL
    try:
        return await asyncio.create_subprocess_exec(
            *words, str(path), stdin=nothing, stdout=output, stderr=output, start_new_session=True
        )
    except OSError as error:
        raise ScanUnavailable(f"{words[0]}: {error.strerror}") from error


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _first_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read(_SHOWN).decode(errors="replace").strip().splitlines()
    return "".join(filter(str.isprintable, lines[0])) if lines else ""
