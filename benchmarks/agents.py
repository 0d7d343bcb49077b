"""Many metadata servers in one process, each with a port and a board of its own.

python agents.py FOLDER PORT...
"""

import asyncio
import sys
from pathlib import Path

import uvicorn

from fleet_metadata.app import create_app
from fleet_metadata.board_of import board_of
from fleet_metadata.settings import Settings
from observability import configure_logging


def server(folder: Path, port: int) -> uvicorn.Server:
    settings = Settings(metadata_folder=folder, metadata_port=port)
    app = create_app(settings, board_of(settings))
    return uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))


async def serve(folder: Path, ports: list[int]) -> None:
    await asyncio.gather(*(server(folder, port).serve() for port in ports))


if __name__ == "__main__":
    configure_logging("WARNING")
    asyncio.run(serve(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
