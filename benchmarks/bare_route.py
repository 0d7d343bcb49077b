"""The least that a framework can do: a route for each file of a folder, which answers with that file's bytes.

python bare_route.py fastapi|starlette PORT FOLDER
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp


def app(framework: str, folder: Path) -> ASGIApp:
    files = list(folder.iterdir())
    if framework == "starlette":
        return Starlette(routes=[Route(f"/{file.name}", _starlette(file.read_bytes())) for file in files])
    bare = FastAPI()
    for file in files:
        bare.get(f"/{file.name}")(_fastapi(file.read_bytes()))
    return bare


def _starlette(body: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return Response(body, media_type="application/json")

    return answer


def _fastapi(body: bytes) -> Callable[[], Any]:
    async def answer() -> Response:
        return Response(body, media_type="application/json")

    return answer


if __name__ == "__main__":
    uvicorn.run(
        app(sys.argv[1], Path(sys.argv[3])),
        port=int(sys.argv[2]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
