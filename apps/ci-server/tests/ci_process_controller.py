"""Prepares and starts a run, says so, and waits to be killed.

`python -m ci_process_controller <job> <folder> <mode> <command>`; a mode that ends in `-ends` ends the run with it.
"""

import asyncio
import sys
from pathlib import Path

from ci_process_runs import ProcessRuns

from ci_server.domain.job import JobSpec
from ci_server.running.runner import Run


async def main(job_id: str, folder: Path, mode: str, command: str) -> None:
    ends = mode.endswith("-ends")
    runs = ProcessRuns(folder, sandboxed=mode.startswith("sandbox"), ends_with_server=ends)
    attempt = runs.files.attempt(job_id, 1)
    run = Run(job_id, 1, JobSpec(), runs.files.project(job_id), attempt, {}, command)
    print("preparing", flush=True)  # noqa: T201
    await runs.prepare(run)
    await runs.runner.start(run)
    print("started", flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
