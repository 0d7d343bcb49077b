"""What a project needs, installed into a volume, or found installed already."""

import secrets
from asyncio import to_thread
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from ci_server.runners.building import FROM_SOURCE, needs_building
from ci_server.runners.container.configuration import LABEL
from ci_server.runners.container.installing_container import Installer
from ci_server.runners.environments import Dependencies, Environments
from ci_server.running.runner import CannotRun

VOLUME = "volume"
SCHEME = "container 1"
"""To be counted up where environments come to be made in another way."""
SEEN_BYTES = 65_536


class Installation:
    """Of one run: `install` yields what is printed; then `volume` is where it is."""

    def __init__(self, installer: Installer, environments: Environments) -> None:
        self.volume = ""
        self._installer = installer
        self._engine = installer.engine
        self._environments = environments
        self._beginning = f"{installer.prefix}-env-"
        self._labels = {LABEL: installer.prefix}
        self._seen = b""
        self._code = 0

    async def install(
        self, dependencies: Dependencies, image: Mapping[str, Any], project: Path
    ) -> AsyncGenerator[bytes]:
        """Once for all that have the same dependencies, image and engine; `project` is unpacked. Raises CannotRun."""
        _, machine = await self._engine.identity()
        key = dependencies.key("\n".join((SCHEME, self._installer.prefix, machine, image["Id"])))
        if await self._is_there(key):
            return
        if self._environments.is_locked(key):
            yield b"-- Another job is installing the same; waiting for it.\n"
        async with self._environments.locked(key):
            if await self._is_there(key):
                return
            await self._begin(key)
            async with aclosing(self._fill(dependencies, image, project)) as output:
                async for chunk in output:
                    yield chunk
            await to_thread(self._environments.complete, key)

    async def _is_there(self, key: str) -> bool:
        """The engine may have lost the volume, or its operator removed it."""
        if not self._environments.is_complete(key):
            return False
        self.volume = self._named(key)
        return bool(self.volume) and await self._engine.has_volume(self.volume)

    async def _begin(self, key: str) -> None:
        """The name is written down before the volume is made: one that no file names is nobody's."""
        folder = await to_thread(self._environments.begin, key)
        self.volume = f"{self._beginning}{key}-{secrets.token_hex(4)}"
        await to_thread((folder / VOLUME).write_text, self.volume)
        for volume in await self._engine.volumes(f"{LABEL}={self._installer.prefix}"):
            of = volume.removeprefix(self._beginning).rpartition("-")[0]
            if volume.startswith(self._beginning) and volume != self._named(of):
                await self._engine.remove_volume(volume)
        await self._engine.create_volume(self.volume, self._labels)

    def _named(self, key: str) -> str:
        try:
            return (self._environments.path(key) / VOLUME).read_text()
        except FileNotFoundError:
            return ""

    async def _fill(
        self, dependencies: Dependencies, image: Mapping[str, Any], project: Path
    ) -> AsyncGenerator[bytes]:
        """From wheels if that is enough. A build runs code of others, which must not reach the cache of all."""
        if dependencies.project is None:
            async with aclosing(self._step(["--no-build"], True, dependencies, image, project)) as output:
                async for chunk in output:
                    yield chunk
            if self._code == 0 or not needs_building(self._seen):
                self._check()
                return
            yield FROM_SOURCE
        async with aclosing(self._step([], False, dependencies, image, project)) as output:
            async for chunk in output:
                yield chunk
        self._check()

    async def _step(
        self,
        flags: list[str],
        shared_cache: bool,
        dependencies: Dependencies,
        image: Mapping[str, Any],
        project: Path,
    ) -> AsyncGenerator[bytes]:
        running = self._installer.run(
            [*flags, *dependencies.arguments],
            image=image,
            volume=self.volume,
            shared_cache=shared_cache,
            dependencies=dependencies,
            project=project,
        )
        async with aclosing(running) as output:
            async for said in output:
                if isinstance(said, int):
                    self._code = said
                else:
                    self._seen = (self._seen + said)[-SEEN_BYTES:]
                    yield said

    def _check(self) -> None:
        if self._code != 0:
            raise CannotRun(
                f"The dependencies could not be installed (exit code {self._code}); see the end of the log."
            )
