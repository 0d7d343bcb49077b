"""Many metadata servers in one process, each with a port and a board of its own.

python agents.py FOLDER PORT...
"""

import asyncio
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from fleet_metadata.app import create_app
from fleet_metadata.board_of import board_of
from fleet_metadata.settings import Settings
from observability import configure_logging


class Server(uvicorn.Server):
    """Leaves signals to whoever runs many."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def server(folder: Path, port: int) -> Server:
    # A machine has one ToolHive, if any; that all of these look for it says nothing of a fleet.
    settings = Settings(metadata_folder=folder, metadata_port=port, toolhive_url="http://127.0.0.1:9")
    app = create_app(settings, board_of(settings))
    return Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))


async def serve(folder: Path, ports: list[int]) -> None:
    servers = [server(folder, port) for port in ports]
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: [setattr(one, "should_exit", True) for one in servers])
    await asyncio.gather(*(one.serve() for one in servers))


if __name__ == "__main__":
    configure_logging("WARNING")
    asyncio.run(serve(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
