"""A run's own namespaces, made by bubblewrap: it sees its project and the system, and nothing else of the machine."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci_server.runners.process.bwrap_arguments import arguments_file

PROJECT, ENVIRONMENT, HOME = Path("/project"), Path("/environment"), Path("/home/ci")
TEMPORARY = Path("/tmp")  # noqa: S108  # its own one
SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
CONFIGURATION = (
    *(
        "alternatives",
        "ca-certificates",
        "fonts",
        "group",
        "hosts",
        "ld.so.cache",
        "ld.so.conf",
        "ld.so.conf.d",
    ),
    *(
        "localtime",
        "mime.types",
        "nsswitch.conf",
        "passwd",
        "pki",
        "protocols",
        "resolv.conf",
        "services",
        "ssl",
    ),
)
PROBE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run's folders are: on this machine, or as it sees them itself."""

    project: Path
    environment: Path
    home: Path
    temporary: Path


INSIDE = Places(PROJECT, ENVIRONMENT, HOME, TEMPORARY)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What `bwrap` is told, but for the command."""

    places: Places
    network: bool = False
    installs: bool = False
    """Whether the environment may be written to."""
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    """Other paths, seen where they are."""
    shared_memory: int = 64 * 1024**2
    """In bytes, of /dev/shm."""

    def arguments(self, variables: Mapping[str, str]) -> list[str]:
        """For `bwrap --args`, NUL between them; `variables` is the whole environment of the command."""
        places, bind = self.places, "--bind" if self.installs else "--ro-bind"
        return [
            *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *(("--share-net",) if self.network else ()),
            *_system(),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--size", str(self.shared_memory), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),  # noqa: S108
            *("--bind", str(places.temporary), str(TEMPORARY), "--symlink", str(TEMPORARY), "/var/tmp"),  # noqa: S108
            *("--dir", "/run", "--bind", str(places.home), str(HOME)),
            *_each("--ro-bind", self.readable),
            *_each("--bind", self.writable),
            *(bind, str(places.environment), str(ENVIRONMENT), "--bind", str(places.project), str(PROJECT)),
            *("--chdir", str(PROJECT), "--remount-ro", "/", "--clearenv"),
            *(word for name, value in variables.items() for word in ("--setenv", name, value)),
        ]


def bwrap() -> str | None:
    """The program, where it is installed."""
    return shutil.which("bwrap")


async def sandbox_works(program: str, folder: Path) -> str | None:
    """Try it in a folder that is there, with the interpreter of jobs. None if it works, or else what it says."""
    sandbox = Sandbox(Places(folder, folder, folder, folder))
    arguments = arguments_file(sandbox.arguments({}))
    try:
        process = await asyncio.create_subprocess_exec(
            *(program, "--args", str(arguments), "--", str(interpreter()), "-I", "-S", "-c", ""),
            pass_fds=(arguments,),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={},
        )
    finally:
        os.close(arguments)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), PROBE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"no answer within {PROBE_SECONDS} s"
    return None if process.returncode == 0 else said.decode(errors="replace").strip()


def interpreter() -> Path:
    """The Python that jobs get: the one that ours was made from."""
    return Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def _system() -> list[str]:
    words = ["--ro-bind", "/usr", "/usr"]
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            words += ["--ro-bind", str(path), str(path)]
    words += _each("--ro-bind", (path for name in CONFIGURATION if (path := Path("/etc", name)).exists()))
    prefixes = {Path(sys.base_prefix), Path(sys.base_prefix).resolve()}
    return words + _each("--ro-bind", sorted(one for one in prefixes if not one.is_relative_to("/usr")))


def _each(option: str, paths: Iterable[Path]) -> list[str]:
    return [word for path in paths for word in (option, str(path), str(path))]
