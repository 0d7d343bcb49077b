"""The container that installs."""

import asyncio
from asyncio import to_thread
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from uv import find_uv_bin

from ci_server.runners.container.archives import installer_archive
from ci_server.runners.container.configuration import (
    CACHE,
    ENVIRONMENT,
    HOME,
    JOB,
    LABEL,
    PROJECT,
    of_installation,
)
from ci_server.runners.container.engine import Engine
from ci_server.runners.container.printed import printed
from ci_server.runners.environments import Dependencies

LOST = 137
SCRIPT = f"""
python=$(command -v python3 || command -v python) || {{ echo "There is no Python in this image." >&2; exit 127; }}
uv={JOB}/uv
"$uv" --version >/dev/null 2>&1 || {{
  "$python" -m pip install --quiet --disable-pip-version-check --target {JOB}/tool uv || exit
  uv={JOB}/tool/bin/uv
}}
"$uv" venv --quiet --no-project --allow-existing --python "$python" {ENVIRONMENT}/venv || exit
cd {PROJECT} || exit
exec "$uv" pip install --compile-bytecode --link-mode=copy --no-editable --python {ENVIRONMENT}/venv/bin/python "$@"
"""
"""The server's own uv where the image can run it, as it can unless it is of another processor or C library."""


@dataclass(frozen=True, slots=True)
class Installer:
    """How containers that install are made, for one run."""

    engine: Engine
    container: str
    """Its name."""
    prefix: str
    network: str
    binds: Sequence[str]
    """Of the engine's machine: `/folder:/folder:ro`."""
    variables: Mapping[str, str]

    async def run(
        self,
        arguments: Sequence[str],
        *,
        image: Mapping[str, Any],
        volume: str,
        shared_cache: bool,
        dependencies: Dependencies,
        project: Path,
    ) -> AsyncGenerator[bytes | int]:
        """Let uv install into a volume; yields what it prints, and last its exit code. Nothing of it stays."""
        await self.engine.remove(self.container)
        try:
            binds = [f"{volume}:{ENVIRONMENT}", *self.binds]
            if shared_cache:
                binds.append(f"{await self._cache_of(image)}:{CACHE}")
            config = await self._configuration(
                arguments, image, binds, CACHE if shared_cache else f"{JOB}/cache"
            )
            await self.engine.create(self.container, config)
            await self._bring(dependencies, project)
            await self.engine.start(self.container)
            async with aclosing(printed(self.engine, self.container)) as output:
                async for chunk in output:
                    yield chunk
            ended = await self.engine.find(self.container)
            yield ended.exit_code if ended else LOST
        finally:
            await asyncio.shield(self.engine.remove(self.container))

    async def _cache_of(self, image: Mapping[str, Any]) -> str:
        """A volume. What an image that somebody brought writes into its cache, no other image installs from."""
        volume = f"{self.prefix}-uv-cache-{image['Id'].removeprefix('sha256:')[:12]}"
        await self.engine.create_volume(volume, {LABEL: self.prefix})
        return volume

    async def _configuration(
        self, arguments: Sequence[str], image: Mapping[str, Any], binds: Sequence[str], cache: str
    ) -> dict[str, Any]:
        kind, _ = await self.engine.identity()
        return of_installation(
            prefix=self.prefix,
            podman=kind == "podman",
            image=image,
            command=["sh", "-c", SCRIPT, "sh", *arguments],
            variables={
                **self.variables,
                "HOME": HOME,
                "UV_CACHE_DIR": cache,
                "UV_PYTHON_DOWNLOADS": "never",
            },
            binds=binds,
            network=self.network,
        )

    async def _bring(self, dependencies: Dependencies, project: Path) -> None:
        """The folder to install in: files beside those that count for the key have no say, such as uv.toml."""
        with TemporaryDirectory(dir=project.parent) as work:
            source, archive = Path(work) / "files", Path(work) / "archive"
            if dependencies.project is None:
                source.mkdir()
            else:
                source = project
            await to_thread(dependencies.write_to, source)
            await to_thread(installer_archive, find_uv_bin(), source, archive)
            with archive.open("rb") as file:
                await self.engine.put(self.container, JOB, file)
