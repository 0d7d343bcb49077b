"""As much of Docker's API as following a container needs, on a unix socket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

NAME = "ours-0123-1"


@dataclass
class DockerPeer:
    """One container, `NAME`; and what it does with those that ask."""

    log: bytes = b""
    hang_ups: list[int] = field(default_factory=list[int])
    """After so many bytes of the answer, the connection is cut: one for each of the first requests for the log."""
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    follows: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/version", self._version)
        app.router.add_get("/v1.45/version", self._version)
        app.router.add_get("/v1.45/info", self._info)
        app.router.add_get(f"/v1.45/containers/{NAME}/json", self._show)
        app.router.add_get(f"/v1.45/containers/{NAME}/logs", self._log)
        app.router.add_get(f"/v1.45/containers/{NAME}/archive", self._hang)
        return app

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.45", "Components": [{"Name": "Engine"}]})

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response({"Name": "machine"})

    async def _show(self, request: web.Request) -> web.Response:
        running = {"Status": "running", "StartedAt": "2026-01-01T00:00:00Z", "ExitCode": 0, "Pid": 1}
        ended = running | {"Status": "exited", "Pid": 0}
        state = (ended if self.follows > len(self.hang_ups) else running) | self.state
        return web.json_response({"Id": NAME, "State": state, "LogPath": ""})

    async def _hang(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async def _log(self, request: web.Request) -> web.StreamResponse:
        self.follows += 1
        lines = self.log.splitlines(keepends=True)
        framed = b"".join(b"\x01\0\0\0" + len(line).to_bytes(4, "big") + line for line in lines)
        response = web.StreamResponse()
        await response.prepare(request)
        if self.follows <= len(self.hang_ups):
            await response.write(framed[: self.hang_ups[self.follows - 1]])
            assert request.transport
            request.transport.close()
            return response
        await response.write(framed)
        return response


@asynccontextmanager
async def docker_peer(socket: Path, peer: DockerPeer) -> AsyncGenerator[str]:
    """Serve it; its address for DOCKER_HOST."""
    runner = web.AppRunner(peer.app(), handler_cancellation=True)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    yield f"unix://{socket}"
    await runner.cleanup()
