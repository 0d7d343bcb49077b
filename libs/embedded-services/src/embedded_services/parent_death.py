"""Processes that die with their parent, even when that is killed with SIGKILL.

Run as a script, this file is the launcher which `dies_with_parent` puts before a command. It ends in `exec`,
so the command keeps the process id that the parent knows. A launcher, and not a `preexec_fn`: that one runs
Python code between fork and exec of a threaded process, which may deadlock and which Python 3.12 warns about.

"no cover" stands at what runs in the launcher, which starts without site packages and ends before coverage
could be saved; the tests look at what it does.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
NOBODY = 65534  # initdb wants a user with an entry in /etc/passwd; this one is everywhere
POLL_SECONDS = 0.2

OWN_USER = "own"
USER_NAMESPACE = "namespace"


def die_with_parent(parent: int | None = None) -> None:
    """Let this process be killed (SIGKILL) as soon as its parent is gone; call it first thing in a child.

    `parent` is the parent's process id if the caller was told it: only then is a parent noticed that died
    before this call. On Linux the kernel watches, and what it watches is the thread that started this
    process: start children from one that lives as long as they should. Elsewhere a daemon thread looks
    every 0.2 s.
    """
    watched = parent or os.getppid()
    if sys.platform == "linux":
        _signal_on_death_of(watched, signal.SIGKILL)
    else:
        threading.Thread(target=_die_after, args=(watched,), daemon=True).start()


def dies_with_parent(
    command: Sequence[str | os.PathLike[str]],
    death_signal: signal.Signals = signal.SIGKILL,
    identity: str = OWN_USER,
) -> list[str]:
    """`command` in a form that gets `death_signal` when the process that called this function dies.

    For `subprocess.Popen` or `asyncio.create_subprocess_exec`, called by this same process, from a thread
    that lives as long as the child should (on Linux the kernel watches that thread); the process id is the
    command's own. `identity` is for a server that refuses to be root: `USER_NAMESPACE`, or a user's number.
    """
    arguments = (sys.executable, "-I", "-S", __file__, os.getpid(), death_signal.value, identity, *command)
    return [str(argument) for argument in arguments]


def _signal_on_death_of(parent: int, death_signal: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have died before the kernel knew of our wish.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _die_after(parent: int) -> None:  # pragma: no cover
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _guard(parent: int, death_signal: int) -> None:  # pragma: no cover
    """Without a kernel that does it: fork, watch from the copy, and let the original become the command."""
    command = os.getpid()
    if os.fork():
        return
    while os.getppid() == command:
        if not _is_alive(parent):
            os.kill(command, death_signal)
        time.sleep(POLL_SECONDS)
    os._exit(0)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _become(identity: str) -> None:  # pragma: no cover
    if identity == USER_NAMESPACE:
        _enter_user_namespace()
    elif identity != OWN_USER:
        os.setgroups([])
        os.setgid(int(identity))
        os.setuid(int(identity))


def _enter_user_namespace() -> None:  # pragma: no cover
    """Be nobody in the eyes of this process, and still the same user in those of the file system."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "this machine allows no user namespace")
    for name, text in (
        ("uid_map", f"{NOBODY} {user} 1"),
        ("setgroups", "deny"),
        ("gid_map", f"{NOBODY} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123  # no pathlib: it doubles the launch time
            file.write(text)


def _launch(parent: int, death_signal: int, identity: str, command: list[str]) -> None:  # pragma: no cover
    # Last before the watch: changing the user makes the kernel forget who wanted to know of the death.
    _become(identity)
    if sys.platform == "linux":
        _signal_on_death_of(parent, death_signal)
    else:
        _guard(parent, death_signal)
    # Python ignores these two, and what is ignored stays so across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606  # the command is our caller's, and no shell reads it


if __name__ == "__main__":  # pragma: no cover
    try:
        _launch(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[4]}: {error}")
