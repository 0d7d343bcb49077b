"""The first process of a sandbox, which runs a command and takes in orphans. Standard library only.

Its source is handed to the interpreter inside, which sees nothing of this package. Without it, all of a sandbox
would end with the shell, which dies of the SIGTERM that what it started is to clean up after.
"""

import os
import signal
import sys


def main(
    command: list[str],
) -> None:  # pragma: no cover  # inside of the sandbox; the tests look at what it does
    """End as the command does; after a SIGTERM not before all others have ended."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        asked.append(number)

    signal.signal(signal.SIGTERM, ask)
    child = os.fork()
    if child == 0:
        for number in (signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execv(command[0], command)  # noqa: S606  # what it is for
    code, others = 0, True
    while others:
        try:
            process, status = os.wait()
        except ChildProcessError:
            break
        if process == child:
            code = os.waitstatus_to_exitcode(status)
            others = bool(asked)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":  # pragma: no cover
    main(sys.argv[1:])
