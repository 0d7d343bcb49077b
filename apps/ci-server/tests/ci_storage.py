"""Databases of jobs for tests, of both kinds."""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from ci_server.domain.course import Outcome
from ci_server.domain.job import Job, JobSpec, Status
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore
from ci_server.storage.migrating import migrate

DIALECTS = ["sqlite", "postgresql"]
PASSED = Outcome(Status.COMPLETED, True, 0)
FAILED_TESTS = Outcome(Status.COMPLETED, False, 1)


def sqlite_url(file: Path) -> str:
    return Database.of(None, file).url


@contextmanager
def migrated_database(
    dialect: str, folder: Path, create: Callable[..., str], drop: Callable[[str], None]
) -> Generator[str]:
    """The URL of an empty database with all tables."""
    if dialect == "sqlite":
        file = folder / f"{uuid4().hex}.db"
        file.write_bytes(_migrated_file())
        yield sqlite_url(file)
        return
    url = create(template=_migrated_postgresql(create))
    yield url
    drop(url)


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


@cache
def _migrated_file() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "jobs.db"
        migrate(sqlite_url(file))
        # What is still in the log beside it goes into the file.
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return file.read_bytes()


@cache
def _migrated_postgresql(create: Callable[..., str]) -> str:
    url = create()
    migrate(url)
    return url


async def submit(store: JobStore, user: str = "ann", **spec: object) -> Job:
    return await store.submit(uuid4().hex, user, JobSpec(**spec))  # pyright: ignore[reportArgumentType]


async def claim(store: JobStore, per_user: int | None = None) -> Job | None:
    return await store.claim("host", "process", per_user)


async def claimed(store: JobStore) -> Job:
    """The next job; there has to be one."""
    job = await claim(store)
    assert job
    return job


async def run(store: JobStore, outcome: Outcome = PASSED, user: str = "ann", **spec: object) -> Job:
    """A job that is submitted, claimed and ended; nothing else may be queued."""
    await submit(store, user, **spec)
    return await store.finish(await claimed(store), outcome)
