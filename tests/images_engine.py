"""Podman, as `.ci/container-engine` set it up: the Docker socket says neither what may be mounted in a build nor `--tmpfs`."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILT_WITHIN_SECONDS = 600
DONE_WITHIN_SECONDS = 120
LOCKED_DOWN = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"),
)


@dataclass(frozen=True)
class Engine:
    """`folder` is where it keeps images, containers and what it was told; `settings` is uv's uv.toml for builds."""

    folder: Path
    settings: Path

    def run(self, *arguments: str, within: float = DONE_WITHIN_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run `podman` with these arguments, whatever its exit code."""
        return subprocess.run(
            ["podman", *arguments],
            env={**os.environ, **self._places()},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def must(self, *arguments: str, within: float = DONE_WITHIN_SECONDS) -> str:
        """What `podman` prints; fails the test where it fails."""
        done = self.run(*arguments, within=within)
        assert done.returncode == 0, (
            f"podman {' '.join(arguments)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        return done.stdout.strip()

    def build(self, target: str) -> str:
        """Build a target of the Dockerfile, and return the image's name."""
        image = f"localhost/fleet-images/{target}"
        mounts = ("/etc/ssl/certs:/etc/ssl/certs:ro", f"{self.settings}:/etc/uv/uv.toml:ro")
        # OCI's own format has no place for a health check.
        self.must(
            *("build", "--pull=never", "--format=docker", f"--target={target}", f"--tag={image}"),
            *(f"--volume={mount}" for mount in mounts),
            ".",
            within=BUILT_WITHIN_SECONDS,
        )
        return image

    def once(
        self, image: str, *arguments: str, environment: Mapping[str, str], program: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of an image to its end, locked down; `program` goes before the image's own."""
        entry = [f"--entrypoint={name}" for name in program]
        return self.run("run", "--rm", *LOCKED_DOWN, *entry, *_variables(environment), image, *arguments)

    def start(self, image: str, *options: str, environment: Mapping[str, str]) -> str:
        """Start an image, locked down, and return its container's id."""
        return self.must("run", "--detach", *LOCKED_DOWN, *options, *_variables(environment), image)

    def inside(self, container: str, *command: str) -> str:
        """What a command prints that runs in a container."""
        return self.must("exec", container, *command)

    def _places(self) -> dict[str, str]:
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "TMPDIR": str(self.folder / "tmp"),
        }


def _variables(environment: Mapping[str, str]) -> list[str]:
    return [f"--env={name}={value}" for name, value in environment.items()]


def engine_of_the_tests(folder: Path) -> Engine:
    """The engine at TEST_DOCKER_HOST; skips the test without. `folder` is for what it is given."""
    url = os.environ.get("TEST_DOCKER_HOST")
    if not url:
        pytest.skip("a container engine is not installed, or TEST_DOCKER_HOST does not say where")
    place = Path(urlsplit(url).path).parent
    if not (place / "storage.conf").exists():
        pytest.skip(f"{url} is not an engine that .ci/container-engine started")
    settings = folder / "uv.toml"
    settings.write_text("system-certs = true\n")
    return Engine(place, settings)
