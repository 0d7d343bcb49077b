import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from toolhive_client.discovery.discovery_file import discovery_file, read_discovery_file
from toolhive_client.errors import ToolhiveNotFound, ToolhiveUnavailable
from toolhive_client.reading.unreadable import Strange
from toolhive_client.reading.versions import Version
from toolhive_client.reading.workloads import read_version
from toolhive_client.transport.transport import Transport

VERSION_PATH = "/api/v1beta/version"
_NONCE = "X-Toolhive-Nonce"
_SECONDS = 1.0
_LARGEST_ANSWER = 65_536
_OK = 200


@dataclass(frozen=True, slots=True)
class Places:
    """Where a ToolHive may be: as `file` says, at `url`, or on one of `ports` of 127.0.0.1."""

    file: Path | None = field(default_factory=discovery_file)
    url: str = "http://127.0.0.1:8080"
    ports: Sequence[int] = range(50_000, 50_101)


class Discovery:
    """Looks for a ToolHive on this machine, within four seconds."""

    def __init__(self, http: httpx.AsyncClient, places: Places) -> None:
        self._transport = Transport(http, "What answers there", "", _SECONDS, _LARGEST_ANSWER)
        self._places = places

    async def find(self) -> str:
        """The URL of the first place that has one, of the newest among `ports`. Raises ToolhiveNotFound."""
        url = await self._announced() or await self._usual() or await self._newest()
        if url is None:
            ports = self._places.ports
            scanned = f", nor on ports {ports[0]} to {ports[-1]}" if ports else ""
            raise ToolhiveNotFound(
                f"No ToolHive was found, neither by its discovery file nor at {self._places.url}{scanned}; "
                "start one (`thv serve`), or set TOOLHIVE_URL."
            )
        return url

    async def _announced(self) -> str | None:
        if self._places.file is None:
            return None
        told = await asyncio.to_thread(read_discovery_file, self._places.file)
        if told is None:
            return None
        try:
            answer = await self._transport.get(f"{told.url}/health")
        except ToolhiveUnavailable:
            return None
        return told.url if answer.headers.get(_NONCE) == told.nonce else None

    async def _usual(self) -> str | None:
        return self._places.url if await self._version(self._places.url) is not None else None

    async def _newest(self) -> str | None:
        ports = await asyncio.to_thread(_open_ports, self._places.ports)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        versions = await asyncio.gather(*(self._version(url) for url in urls))
        found = [(version, url) for version, url in zip(versions, urls, strict=True) if version is not None]
        # The first of those that are equal.
        return max(found, key=lambda each: each[0])[1] if found else None

    async def _version(self, url: str) -> Version | None:
        try:
            answer = await self._transport.get(url + VERSION_PATH)
            return Version.parse(read_version(answer.body)) if answer.status == _OK else None
        except (ToolhiveUnavailable, Strange):
            return None


def _open_ports(ports: Sequence[int]) -> list[int]:
    # Asking all of them over HTTP would take thirty times as long.
    return [port for port in ports if _is_open(port)]


def _is_open(port: int) -> bool:
    with socket.socket() as connection:
        # This machine answers itself at once, unless too many are waiting there already.
        connection.settimeout(0.01)
        return connection.connect_ex(("127.0.0.1", port)) == 0
