import asyncio
import os
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.git.child import Child, Finished, TooMuch
from observability.redaction import is_secret

AT_ONCE = 16
"""How many processes of one `Git` there may be; one that cannot be killed, as its disk is gone, counts too."""
MIB = 2**20
AT_MOST = 4 * MIB
"""How many bytes git may write to both its pipes, where nothing else is said."""

# What `git rev-parse --local-env-vars` lists: it would tell of another repository than that of the folder.
OF_ANOTHER_REPOSITORY = frozenset(
    {
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT"),
        *("GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE"),
        *("GIT_INTERNAL_SUPER_PREFIX", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"),
        *("GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE"),
    }
)
_SETTINGS = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
_ITS_OWN = {
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone would get what it lacks from the network, and write it
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # messages are told apart by their words
}


class Git:
    """Runs git commands that read, in `folder`; nothing is written, fetched, or asked of anybody."""

    def __init__(self, folder: Path, executable: str = "git") -> None:
        # The monitor of a work tree is a daemon or a hook, which asking for the status would start.
        options = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder.absolute()))
        self._command = (executable, *options)
        self._environment = _environment()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, *arguments: str, at_most: int = AT_MOST) -> Finished:
        """Run git with `arguments` to its end, whatever its exit code.

        When the caller is cancelled, git and all that it started is killed, and awaited. Raises
        CollectionFailed where git cannot be started, or is killed as it wrote more than `at_most` bytes.
        """
        await self._slots.acquire()
        try:
            process = self._start(arguments)
        except OSError as error:
            self._slots.release()
            raise CollectionFailed(_why(self._command[0], error)) from error
        child = Child(process, self._slots.release, at_most)
        try:
            return await child.finished()
        except TooMuch:
            raise CollectionFailed(
                f"git {arguments[0]} wrote more than {at_most / MIB:g} MiB, and was stopped"
            ) from None
        finally:
            await child.end()

    def _start(self, arguments: tuple[str, ...]) -> Popen[bytes]:
        # Not the loop's own way of it: that of uvloop copies the whole server, and stands still for 2 ms.
        return Popen(  # noqa: S603  # git, by the arguments of this package, and no shell
            (*self._command, *arguments),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            bufsize=0,
            env=self._environment,
            start_new_session=True,
        )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _is_for_git(name)} | _ITS_OWN


def _is_for_git(name: str) -> bool:
    # The settings of a repository name programs, such as filters, that `git status` runs: they get this too.
    return name not in OF_ANOTHER_REPOSITORY and not name.startswith(_SETTINGS) and not is_secret(name)


def _why(executable: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"git is not installed: there is no program {executable!r} on the PATH of this server"
    return f"git cannot be started: {error.strerror}"
