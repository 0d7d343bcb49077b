"""A container engine, through the Docker Engine API: Docker, or Podman's socket."""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any

import aiohttp
from aiodocker import Docker, DockerError
from aiodocker.exceptions import DockerStreamError

from ci_server.running.runner import CannotRun, RunnerAway

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 60.0
CHUNK_BYTES = 65_536
FRAME_HEADER_BYTES = 8
NEVER = "0001-"
"""Begins the time of what has not been."""
OVER = frozenset({"exited", "stopped", "dead"})
NOT_BEGUN = frozenset({"created", "configured", "initialized"})


@dataclass(frozen=True, slots=True)
class Container:
    """What the engine says of a container."""

    status: str
    started: bool
    """Whether it ever was."""
    ended: bool
    """It was started and does not run any more, also where that was before its machine started anew."""
    exit_code: int
    out_of_memory: bool
    pid: int
    """As the engine's machine knows it; 0 where it does not run."""
    log_path: str

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> "Container":
        state = shown["State"]
        status = state["Status"]
        started = status not in NOT_BEGUN or not state["StartedAt"].startswith(NEVER)
        return cls(
            status=status,
            started=started,
            ended=started and (status in OVER or status in NOT_BEGUN),
            exit_code=state["ExitCode"],
            out_of_memory=bool(state.get("OOMKilled")),
            pid=state.get("Pid") or 0,
            log_path=shown.get("LogPath") or "",
        )


class Engine:
    """Of one address, such as `unix:///var/run/docker.sock`. Everything raises RunnerAway if it does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: Docker | None = None
        self._identity: tuple[str, str] | None = None

    async def identity(self) -> tuple[str, str]:
        """Its kind (`podman` or `docker`) and the name of its machine."""
        if self._identity is None:
            with _answering():
                version = await self._docker.version()
                info = await self._docker.system.info()
            names = [part["Name"] for part in version.get("Components") or ()]
            kind = "podman" if any("Podman" in name for name in names) else "docker"
            self._identity = kind, info["Name"]
        return self._identity

    async def find(self, name: str) -> Container | None:
        with _answering(), _absent():
            return Container.of(await self._docker.containers.container(name).show())
        return None

    async def create(self, name: str, config: Mapping[str, Any]) -> None:
        """Create a container; one of that name that is there already is left as it is. Raises CannotRun."""
        with _answering():
            try:
                await self._docker.containers.create(dict(config), name=name)
            except DockerError as error:
                # Podman calls a name that is taken an error of its own (500).
                if await self.find(name) is None:
                    raise _refused("The container cannot be created", error) from error

    async def start(self, name: str) -> None:
        """Raises CannotRun."""
        with _answering():
            try:
                await self._docker.containers.container(name).start()
            except DockerError as error:
                raise _refused("The container cannot be started", error) from error

    async def put(self, name: str, folder: str, archive: IO[bytes]) -> None:
        """Unpack a tar file in a container. Raises CannotRun."""
        with _answering():
            try:
                await self._docker.containers.container(name).put_archive(folder, archive)
            except DockerError as error:
                raise _refused("The project cannot be put into the container", error) from error

    async def execute(self, name: str, command: Sequence[str]) -> None:
        """Run a command in a container that runs, as its user; where that cannot be done nothing happens."""
        with _answering():
            try:
                execution = await self._docker.containers.container(name).exec(command)
                await execution.start(detach=True)
            except DockerError as error:
                _raise_if_away(error)

    async def kill(self, name: str) -> None:
        """End a container at once, if it runs."""
        with _answering():
            try:
                await self._docker.containers.container(name).kill()
            except DockerError as error:
                _raise_if_away(error)

    async def remove(self, name: str) -> None:
        """Remove a container with its own volumes, if it is there; one that runs is killed."""
        with _answering(), _absent(HTTPStatus.CONFLICT):
            await self._docker.containers.container(name).delete(force=True, v=True)

    async def names(self, label: str) -> Sequence[str]:
        """Of all containers with a label (`key=value`), whether they run or not."""
        with _answering():
            found = await self._docker.containers.list(all=True, filters=f'{{"label":["{label}"]}}')
        return [name.removeprefix("/") for one in found for name in one["Names"]]

    async def log(self, name: str, *, follow: bool) -> AsyncGenerator[bytes]:
        """What a container has printed, from the beginning; with `follow` until it ends."""
        params = {"stdout": "1", "stderr": "1", "follow": "1" if follow else "0"}
        with _answering():
            async with self._get(
                f"containers/{name}/logs", params, None if follow else ANSWER_SECONDS
            ) as response:
                while header := await _exactly(response.content, FRAME_HEADER_BYTES):
                    left = int.from_bytes(header[4:], "big")
                    while left:
                        chunk = await response.content.read(min(left, CHUNK_BYTES))
                        if not chunk:
                            raise RunnerAway("The container engine stopped in the middle of its answer.")
                        left -= len(chunk)
                        yield chunk

    async def archive(self, name: str, path: str) -> AsyncGenerator[bytes]:
        """A tar file of what is at a path in a container; nothing where nothing is there."""
        with _answering():
            async with self._get(f"containers/{name}/archive", {"path": path}, ANSWER_SECONDS) as response:
                if response.status == HTTPStatus.OK:
                    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                        yield chunk

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume, unless one of that name is there."""
        with _answering():
            await self._docker.volumes.create({"Name": name, "Labels": dict(labels)})

    async def has_volume(self, name: str) -> bool:
        with _answering(), _absent():
            await self._docker.volumes.get(name)
            return True
        return False

    async def remove_volume(self, name: str) -> None:
        """Remove a volume, if it is there and no container has it."""
        with _answering(), _absent(HTTPStatus.CONFLICT):
            volume = await self._docker.volumes.get(name)
            await volume.delete()

    async def volumes(self, label: str) -> Sequence[str]:
        """Of all volumes with a label (`key=value`), the names."""
        with _answering():
            found = await self._docker.volumes.list(filters={"label": [label]})
        return [one["Name"] for one in found["Volumes"] or ()]

    async def find_image(self, image: str) -> Mapping[str, Any] | None:
        with _answering(), _absent():
            return await self._docker.images.inspect(image)
        return None

    async def pull(self, image: str) -> AsyncGenerator[str]:
        """Fetch an image from its registry; yields lines. Raises CannotRun with the engine's own words."""
        last = ""
        with _answering():
            try:
                async for item in self._docker.images.pull(image, stream=True):
                    line = " ".join(
                        str(item[part]).strip() for part in ("id", "status", "stream") if part in item
                    )
                    if line and line != last:
                        yield f"{line}\n"
                    last = line
            except DockerError as error:
                advice = "check its name (form field `image`), and that the engine reaches its registry"
                raise _refused(f"The image {image} cannot be pulled; {advice}", error) from error

    async def close(self) -> None:
        if self._opened:
            await self._opened.close()
            self._opened = None

    @property
    def _docker(self) -> Docker:
        if self._opened is None:
            timeout = aiohttp.ClientTimeout(
                connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS
            )
            with _answering():
                self._opened = _opened(self.url, timeout)
        return self._opened

    def _get(self, path: str, params: Mapping[str, str], silence: float | None) -> Any:
        """As bytes: the client itself makes text of a log, and holds an archive in memory.

        `silence` is for how many seconds nothing may come.
        """
        docker = self._docker
        timeout = aiohttp.ClientTimeout(
            connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=silence
        )
        url = f"{docker.docker_host}/{docker.api_version}/{path}"
        return docker.session.get(url, params=params, timeout=timeout)


def _opened(url: str, timeout: aiohttp.ClientTimeout) -> Docker:
    try:
        return Docker(url, timeout=timeout)
    except ValueError as error:
        raise CannotRun(f"DOCKER_HOST is no address of a container engine: {error}") from error


async def _exactly(content: aiohttp.StreamReader, size: int) -> bytes:
    """So many bytes, or none at the end."""
    data = b""
    while len(data) < size and (chunk := await content.read(size - len(data))):
        data += chunk
    if data and len(data) < size:
        raise RunnerAway("The container engine stopped in the middle of its answer.")
    return data


@contextmanager
def _answering() -> Generator[None]:
    """What keeps the engine from answering is RunnerAway; so is what it refuses without being expected to."""
    try:
        yield
    except DockerError as error:
        raise RunnerAway(f"The container engine says: {error.message}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise RunnerAway(
            f"The container engine does not answer ({type(error).__name__}: {error})."
        ) from error


@contextmanager
def _absent(*also: HTTPStatus) -> Generator[None]:
    """What is not there is no error, nor is what `also` says."""
    try:
        yield
    except DockerError as error:
        if error.status not in {HTTPStatus.NOT_FOUND, *also}:
            raise


def _raise_if_away(error: DockerError) -> None:
    if not HTTPStatus.BAD_REQUEST <= error.status <= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error


def _refused(what: str, error: DockerError) -> Exception:
    """The engine's refusal, for the submitter; where there was no answer, the error as it is."""
    is_answer = isinstance(error, DockerStreamError) or (
        HTTPStatus.BAD_REQUEST <= error.status <= HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return CannotRun(f"{what}: {error.message}") if is_answer else error
