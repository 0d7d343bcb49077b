"""Installs what a project needs into an environment of its own, or finds it installed already."""

import asyncio
import os
import platform
import signal
import sys
from asyncio import to_thread
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from urllib.parse import urlsplit

from uv import find_uv_bin

from ci_server.runners.building import FROM_SOURCE, needs_building
from ci_server.runners.environments import Dependencies, Environments
from ci_server.runners.process.bwrap_arguments import arguments_file
from ci_server.runners.process.run_folder import RunFolder
from ci_server.runners.process.sandbox import INSIDE, Places, Sandbox, interpreter
from ci_server.runners.unpacking import remove_tree
from ci_server.running.runner import CannotRun
from embedded_services import dies_with_parent

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
READ_BYTES = 65_536
CREATE = ("venv", "--quiet", "--relocatable", "--no-project", "--allow-existing")
INSTALL = ("pip", "install", "--compile-bytecode", "--link-mode=copy", "--no-editable")
SCHEME = "process 1"
"""To be counted up where environments come to be made in another way."""


class Installation:
    """Of one run: `install` yields what is printed; then `environment` is where it is.

    `variables` are for uv, and for what is built from source.
    """

    def __init__(
        self, folder: RunFolder, environments: Environments, bwrap: str | None, variables: Mapping[str, str]
    ) -> None:
        self.environment = Path()
        self._environments = environments
        self._bwrap = bwrap
        self._project = folder.project
        self._work = folder.path / "installation"
        self._own_cache = self._work / "cache"
        self._variables = variables
        self._code: int | None = None
        self._seen = b""

    async def install(self, dependencies: Dependencies) -> AsyncGenerator[bytes]:
        """Once for all that have the same dependencies. Raises CannotRun."""
        key = dependencies.key(_identity(sandboxed=self._bwrap is not None))
        self.environment = self._environments.path(key)
        if self._environments.is_complete(key):
            return
        if self._environments.is_locked(key):
            yield b"-- Another job is installing the same; waiting for it.\n"
        async with self._environments.locked(key):
            if self._environments.is_complete(key):
                return
            await to_thread(self._environments.begin, key)
            async with aclosing(self._fill(dependencies)) as output:
                async for chunk in output:
                    yield chunk
            await to_thread(self._environments.complete, key)
        await to_thread(remove_tree, self._work)

    async def _fill(self, dependencies: Dependencies) -> AsyncGenerator[bytes]:
        source = await to_thread(self._lay_out, dependencies)
        for arguments, cache in self._steps(dependencies):
            if self._seen and cache == self._own_cache:
                yield FROM_SOURCE
            async with aclosing(self._uv(arguments, source, cache)) as output:
                async for chunk in output:
                    self._seen = (self._seen + chunk)[-READ_BYTES:]
                    yield chunk

    def _lay_out(self, dependencies: Dependencies) -> Path:
        """The folder to install in: files beside those that count for the key have no say, such as uv.toml."""
        remove_tree(self._work)
        source = self._work / "files" if dependencies.project is None else self._project
        for folder in (source, self._own_cache, self._work / "home", self._work / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        self._environments.uv_cache.mkdir(parents=True, exist_ok=True)
        dependencies.write_to(source)
        return source

    def _steps(self, dependencies: Dependencies) -> Iterator[tuple[tuple[str, ...], Path]]:
        """What to tell uv, and with which cache. A build runs code of others, which must not reach the shared one."""
        places = self._places(self._project)
        yield (*CREATE, "--python", str(interpreter()), str(places.environment)), self._environments.uv_cache
        self._check()
        install = (*INSTALL, "--python", str(places.environment / "bin" / "python"))
        if dependencies.project is None:
            yield (*install, "--no-build", *dependencies.arguments), self._environments.uv_cache
            if self._code == 0 or not needs_building(self._seen):
                return self._check()
        yield (*install, *dependencies.arguments), self._own_cache
        return self._check()

    def _check(self) -> None:
        if self._code != 0:
            raise CannotRun(
                f"The dependencies could not be installed (exit code {self._code}); see the end of the log."
            )

    async def _uv(self, arguments: tuple[str, ...], source: Path, cache: Path) -> AsyncGenerator[bytes]:
        uv, places = find_uv_bin(), self._places(source)
        variables = {
            **self._variables,
            "PATH": SYSTEM_PATH,
            "HOME": str(places.home),
            "TMPDIR": str(places.temporary),
            "LANG": "C.UTF-8",
            "UV_CACHE_DIR": str(cache),
            "UV_PYTHON_DOWNLOADS": "never",
        }
        command, file = [uv, *arguments], None
        if self._bwrap:
            readable = (Path(uv), *_paths_in(self._variables))
            sandbox = Sandbox(
                self._outside(source), network=True, installs=True, readable=readable, writable=(cache,)
            )
            file = arguments_file(sandbox.arguments(variables))
            command, variables = [self._bwrap, "--args", str(file), "--", *command], dict[str, str]()
        try:
            process = await asyncio.create_subprocess_exec(
                *dies_with_parent(command),
                cwd=source,
                env=variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if file is None else (file,),
            )
        finally:
            if file is not None:
                os.close(file)
        async with aclosing(_output_of(process)) as output:
            async for chunk in output:
                yield chunk
        self._code = process.returncode

    def _places(self, source: Path) -> Places:
        return INSIDE if self._bwrap else self._outside(source)

    def _outside(self, source: Path) -> Places:
        return Places(source, self.environment, self._work / "home", self._work / "tmp")


async def _output_of(process: asyncio.subprocess.Process) -> AsyncGenerator[bytes]:
    """What it prints until it has ended; it is killed where nobody reads on."""
    assert process.stdout  # noqa: S101  # as it was started
    try:
        while chunk := await process.stdout.read(READ_BYTES):
            yield chunk
        await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())


def _identity(*, sandboxed: bool) -> str:
    """What tells environments apart, beside what is installed; jobs without a sandbox may have changed theirs."""
    system = (platform.machine(), *platform.libc_ver())
    return "\n".join((SCHEME, str(sandboxed), sys.version, sys.base_prefix, *system))


def _paths_in(variables: Mapping[str, str]) -> list[Path]:
    """Files and folders of this machine that settings of the installer name: certificates, folders of wheels."""
    words = {urlsplit(word).path for value in variables.values() for word in value.replace(",", " ").split()}
    return sorted(Path(word) for word in words if word.startswith("/") and Path(word).exists())
