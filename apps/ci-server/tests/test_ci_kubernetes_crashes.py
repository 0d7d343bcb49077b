"""Controllers of Jobs are killed at random moments: no job is lost, none runs twice, and nothing is left.

CI_CRASH_ROUNDS is how often one is killed (5), and CI_CRASH_SEED makes it the moments of another time.
"""

import asyncio
import os
import random
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ci_kubernetes_node import node
from ci_kubernetes_runs import KubernetesRuns, kubernetes_runs
from ci_wheelhouse import made_wheel

from ci_server.domain.job import ENDED, JobSpec, Status
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore
from ci_server.storage.migrating import migrate

ROUNDS = int(os.environ.get("CI_CRASH_ROUNDS", "5"))
LINES = 60
PRINTED = b"".join(b"line %d of ***\n" % number for number in range(LINES))
COMMAND = (
    f'i=0; while [ $i -lt {LINES} ]; do echo "line $i of $WORD"; i=$((i+1)); sleep 0.01; done; echo >> ran; '
    "wc -l < ran > lines.txt"
)
WITHIN_SECONDS = 240


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncGenerator[KubernetesRuns]:
    (tmp_path / "wheelhouse").mkdir()
    made_wheel(tmp_path / "wheelhouse", "pytest", "9.0", {"pytest.py": ""})
    async with kubernetes_runs(tmp_path) as runs:
        runs.server.lives["*"] = node(runs.wheels)
        yield runs


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[JobStore]:
    database = Database.of(None, tmp_path / "jobs.db")
    await asyncio.to_thread(migrate, database.url)
    yield JobStore(database)
    await database.close()


async def _submit(runs: KubernetesRuns, store: JobStore, wheel: int) -> str:
    """Each second one of them has to wait for what the one before it installs, or goes on with that."""
    made_wheel(runs.wheels, f"needed{wheel}", "1.0", {f"needed{wheel}.py": ""})
    run = runs.made(COMMAND, files={"requirements.txt": f"needed{wheel}\n".encode()})
    run.folder.rmdir()
    runs.files.secrets(run.job_id).write_text('{"WORD": "sesame"}')
    await store.submit(run.job_id, "ada", JobSpec(command=COMMAND, artifacts=("lines.txt",)))
    return run.job_id


async def _controller(folder: Path, url: str, number: int) -> Process:
    controller = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ci_kubernetes_controller", str(folder), url, f"host-{number}"),
        stdout=PIPE,
        cwd=Path(__file__).parent,
    )
    assert controller.stdout
    async with asyncio.timeout(WITHIN_SECONDS):
        assert await controller.stdout.readline() == b"ready\n"
    return controller


async def _kill(controller: Process) -> None:
    controller.kill()
    # Else its transport is closed after the loop.
    await controller.communicate()


async def _ended(store: JobStore, submitted: list[str]) -> None:
    for job_id in submitted:
        async with asyncio.timeout(WITHIN_SECONDS):
            while (await store.find(job_id)).attempt.status not in ENDED:
                await asyncio.sleep(0.05)


async def test_whoever_is_killed_no_job_is_lost_and_none_runs_twice(
    runs: KubernetesRuns, store: JobStore, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CI_CRASH_SEED") or secrets.randbits(32))
    print(f"again with CI_CRASH_SEED={seed}")  # noqa: T201
    dice, submitted = random.Random(seed), list[str]()
    controllers = [await _controller(tmp_path, runs.server.url, number) for number in (0, 1)]
    try:
        for number in range(ROUNDS):
            submitted += [await _submit(runs, store, number), await _submit(runs, store, number)]
            await asyncio.sleep(dice.uniform(0, 1))
            await _kill(controllers.pop(dice.randrange(2)))
            controllers.append(await _controller(tmp_path, runs.server.url, number + 2))
        await _ended(store, submitted)
        runner = runs.another_runner()
        async with asyncio.timeout(WITHIN_SECONDS):
            while await runner.names():
                await asyncio.sleep(0.05)
    finally:
        for controller in controllers:
            await _kill(controller)
    for job_id in submitted:
        job = await store.find(job_id)
        assert (job.attempt.status, job.attempt.reason, job.attempt.exit_code) == (Status.COMPLETED, None, 0)
        assert runs.files.log(job_id, 1).read_bytes()[job.attempt.log_base or 0 :] == PRINTED
        assert (runs.files.artifacts(job_id, 1) / "lines.txt").read_text().strip() == "1"
        assert not (runs.files.attempt(job_id, 1) / "run").exists()
    assert not any(runs.server.resources.values())
    begun = [pod.labels["job-name"] for pod in runs.server.made if not pod.installs]
    assert sorted(begun) == sorted(f"ours-{job_id}-1" for job_id in submitted)
