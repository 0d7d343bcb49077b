"""A controller of real processes, until its input ends or it is killed: `python -m ci_crash_controller <folder>`."""

import asyncio
import sys
from pathlib import Path

from ci_process_runs import ProcessRuns

from ci_server.running.controller import Controller
from ci_server.running.terms import Terms
from ci_server.storage.changes import Changes
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore

TERMS = Terms(
    max_jobs=3,
    max_jobs_per_user=None,
    max_log_bytes=10_000_000,
    reconcile_seconds=0.2,
    sweep_seconds=0.5,
)


async def main(folder: Path) -> None:
    database = Database.of(None, folder / "jobs.db")
    changes = Changes(database)
    runs = ProcessRuns(folder, sandboxed=False)
    controller = Controller(JobStore(database), changes, runs.files, runs.runner, TERMS)
    changes.start()
    controller.start()
    print("ready", flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    await controller.stop()
    await changes.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
