"""A controller of Jobs, until it is killed: `python -m ci_kubernetes_controller <folder> <url> <host>`."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from ci_crash_controller import TERMS
from ci_kubernetes_runs import made_runner

from ci_server.running.controller import Controller
from ci_server.storage.changes import Changes
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore


async def main(folder: Path, url: str, host: str) -> None:
    database = Database.of(None, folder / "jobs.db")
    changes, files = Changes(database), JobFiles(folder / "data")
    runner = made_runner(url, files, folder)
    controller = Controller(JobStore(database), changes, files, runner, replace(TERMS, host=host))
    changes.start()
    controller.start()
    print("ready", flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
