"""One factory for each noun that the tests of the API need."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from api_access import KeyStore, Scope
from ci_server.domain.course import Outcome
from ci_server.domain.job import Job, JobSpec, Results, Status
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore

PASSED = Outcome(Status.COMPLETED, True, 0, None, Results(2, 0, 1, 0, 0.5))
FAILED = Outcome(Status.FAILED, False, None, "It is a test.")


def zipped(files: Mapping[str, str] | None = None) -> bytes:
    """A zip of these files; a project with one test unless they are given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (files or PROJECT).items():
            # Without the time, so that the same files are the same zip.
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


PROJECT = {"requirements.txt": "", "tests/test_one.py": "def test_one() -> None:\n    assert True\n"}


async def make_key(database: Database, *scopes: str, name: str = "tests") -> dict[str, str]:
    """The header with a new API key, good for everything unless scopes are given."""
    token, _ = await KeyStore(database.engine).create(name, scopes or list(Scope))
    return {"X-API-Key": token}


async def submitted(store: JobStore, user: str = "tests", job_id: str | None = None, **spec: Any) -> Job:
    """A queued job."""
    return await store.submit(job_id or uuid4().hex, user, JobSpec(**spec))


async def running(store: JobStore, user: str = "tests", **spec: Any) -> Job:
    """A job that runs, as nothing else is queued."""
    job = await submitted(store, user, **spec)
    claimed = await store.claim("host", "process", None)
    assert claimed
    assert claimed.job_id == job.job_id
    return claimed


async def ended(store: JobStore, user: str = "tests", outcome: Outcome = PASSED, **spec: Any) -> Job:
    """A job that has ended, as nothing else is queued."""
    return await store.finish(await running(store, user, **spec), outcome)


def write_log(files: JobFiles, job: Job, data: bytes) -> None:
    """Append to the log of a job's latest attempt."""
    path = files.log(job.job_id, job.attempt.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        log.write(data)


def write_artifact(files: JobFiles, job: Job, path: str, data: bytes) -> None:
    """Leave a file behind in a job's latest attempt."""
    file = files.artifacts(job.job_id, job.attempt.number) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
