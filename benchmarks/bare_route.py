"""The least that FastAPI can do: a route for each file of a folder, which answers with that file's bytes.

python bare_route.py PORT FOLDER
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response


def app(folder: Path) -> FastAPI:
    bare = FastAPI()
    for file in folder.iterdir():
        add_route(bare, f"/{file.name}", file.read_bytes())
    return bare


def add_route(bare: FastAPI, path: str, body: bytes) -> None:
    @bare.get(path)
    async def answer() -> Response:  # pyright: ignore[reportUnusedFunction]  # FastAPI uses it
        return Response(body, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(
        app(Path(sys.argv[2])),
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
