import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from ci_storage import DIALECTS, claimed, migrated_database, opened, run, submit
from structlog.testing import capture_logs

from ci_server.domain.errors import StorageUnavailable
from ci_server.domain.job import Job
from ci_server.settings import Settings
from ci_server.storage import retention_files
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore
from ci_server.storage.retention import NOBODYS_AFTER_SECONDS, Retention

LONG_AGO = datetime.now(UTC) - timedelta(days=40)
MEGABYTE = 10**6


@pytest.fixture(params=DIALECTS)
def url(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    create_database: Callable[..., str],
    drop_database: Callable[[str], None],
) -> Generator[str]:
    with migrated_database(request.param, tmp_path, create_database, drop_database) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    async with opened(url) as database:
        yield database


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


@pytest.fixture
def of_old(database: Database) -> JobStore:
    """The same jobs, at a time that is long ago."""
    return JobStore(database, lambda: LONG_AGO)


@pytest.fixture
def files(tmp_path: Path) -> JobFiles:
    return JobFiles(tmp_path / "data")


def retention(store: JobStore, files: JobFiles, gigabytes: float = 1) -> Retention:
    return Retention(
        store, files, Settings.model_validate({"ci_retention_days": 30, "ci_retention_gb": gigabytes})
    )


def with_files(files: JobFiles, job: Job, size: int = 1) -> Job:
    """As much on the disk, without taking room there."""
    log = files.log(job.job_id, 1)
    log.parent.mkdir(parents=True)
    with log.open("wb") as opened:
        opened.truncate(size)
    return job


def seen_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the disk now, is seen as it will be in an hour."""
    monkeypatch.setattr("ci_server.storage.retention.NOBODYS_AFTER_SECONDS", -1)


async def test_what_ended_long_ago_is_removed(store: JobStore, of_old: JobStore, files: JobFiles) -> None:
    old = with_files(files, await run(of_old))
    new = with_files(files, await run(store))
    await retention(store, files).once()
    assert await store.known([old.job_id, new.job_id]) == {new.job_id}
    assert [path.name for path in files.jobs.iterdir()] == [new.job_id]


async def test_what_has_not_ended_is_kept_however_old_and_large(
    store: JobStore, of_old: JobStore, files: JobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = with_files(files, await run(of_old), MEGABYTE)
    await submit(of_old)
    running = with_files(files, await claimed(of_old), MEGABYTE)
    queued = with_files(files, await submit(of_old), MEGABYTE)
    await of_old.retry(again.job_id, "ann")
    seen_later(monkeypatch)
    await retention(store, files, gigabytes=0.000_001).once()
    kept = {again.job_id, running.job_id, queued.job_id}
    assert await store.known(kept) == kept
    assert {path.name for path in files.jobs.iterdir()} == kept


async def test_of_too_much_the_first_ended_is_removed_first(store: JobStore, files: JobFiles) -> None:
    await submit(store)
    with_files(files, await claimed(store), 50 * MEGABYTE)
    ended = [with_files(files, await run(store), MEGABYTE).job_id for _ in range(4)]
    await retention(store, files, gigabytes=0.0021).once()
    assert await store.known(ended) == set(ended[2:])
    await retention(store, files, gigabytes=0.0021).once()
    assert await store.known(ended) == set(ended[2:])


@pytest.mark.parametrize(("after_seconds", "left"), [(-5, 0), (60, 1)])
async def test_folders_that_no_job_knows_are_left_for_an_hour(
    store: JobStore,
    files: JobFiles,
    after_seconds: float,
    left: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert NOBODYS_AFTER_SECONDS == 3600
    monkeypatch.setattr("ci_server.storage.retention.NOBODYS_AFTER_SECONDS", after_seconds)
    known = with_files(files, await run(store))
    nobodys = files.job(uuid4().hex)
    (nobodys / "attempts").mkdir(parents=True)
    # An old zip that was moved into place just now.
    (nobodys / "project.zip").touch()
    os.utime(nobodys / "project.zip", (0, 0))
    foreign = files.jobs / "lost+found"
    foreign.mkdir()
    await retention(store, files).once()
    assert nobodys.exists() == bool(left)
    assert foreign.exists()
    assert files.log(known.job_id, 1).exists()


async def test_a_job_whose_row_went_and_whose_folder_stayed_is_removed_later(
    store: JobStore, files: JobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, job = [with_files(files, await run(store)) for _ in range(2)]
    await store.delete(job.job_id)
    await retention(store, files).once()
    assert files.job(job.job_id).exists()
    seen_later(monkeypatch)
    await retention(store, files).once()
    assert [path.name for path in files.jobs.iterdir()] == [kept.job_id]


async def test_nothing_is_removed_by_a_database_that_knows_none_of_it(
    store: JobStore, files: JobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [files.job(uuid4().hex) for _ in range(3)]
    for folder in folders:
        folder.mkdir(parents=True)
    seen_later(monkeypatch)
    wrong = retention(store, files)
    with capture_logs() as lines:
        await wrong.once()
        await wrong.once()
    assert all(folder.exists() for folder in folders)
    assert [line["event"] for line in lines] == ["folders_of_jobs_unknown"], "said once"
    known = with_files(files, await run(store))
    await wrong.once()
    assert [path.name for path in files.jobs.iterdir()] == [known.job_id]


async def test_uploads_that_a_crash_has_left_are_removed(
    store: JobStore, files: JobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files.uploads / "folder").mkdir(parents=True)
    (files.uploads / "folder" / "part").write_bytes(b"x")
    (files.uploads / "file").write_bytes(b"x")
    (files.uploads / "link").symlink_to("/no such file")
    await retention(store, files).once()
    assert len(list(files.uploads.iterdir())) == 3
    seen_later(monkeypatch)
    await retention(store, files).once()
    assert list(files.uploads.iterdir()) == []


async def test_what_links_lead_to_is_neither_counted_nor_removed(
    store: JobStore, of_old: JobStore, files: JobFiles, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with (elsewhere / "large").open("wb") as large:
        large.truncate(10**10)
    new, old = with_files(files, await run(store)), with_files(files, await run(of_old))
    for job in (new, old):
        (files.job(job.job_id) / "link").symlink_to(elsewhere)
    await retention(store, files).once()
    assert await store.known([new.job_id, old.job_id]) == {new.job_id}
    assert (elsewhere / "large").exists()


def test_folders_in_folders_are_removed_to_any_depth(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    assert retention_files.sizes_of([top])[0] > 0
    retention_files.remove(top)
    assert not top.exists()


async def test_other_things_are_cleaned_up_by_the_same_days(store: JobStore, files: JobFiles) -> None:
    seen: list[float] = []
    settings = Settings.model_validate({"ci_retention_days": 7})
    await Retention(store, files, settings, [seen.append]).once()
    assert seen == [7]


async def test_it_goes_on_after_a_round_that_broke_off_until_it_is_stopped(
    store: JobStore, files: JobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci_server.storage.retention.FIRST_AFTER_SECONDS", 0)
    monkeypatch.setattr("ci_server.storage.retention.EVERY_SECONDS", 0)
    rounds = asyncio.Queue[int]()
    failures = iter([StorageUnavailable("away"), OSError("full"), ZeroDivisionError()])
    loop = asyncio.get_running_loop()

    def break_off(_days: float) -> None:
        loop.call_soon_threadsafe(rounds.put_nowait, 1)
        for failure in failures:
            raise failure

    kept = Retention(store, files, Settings(), [break_off])
    kept.start()
    async with asyncio.timeout(20):
        for _ in range(5):
            await rounds.get()
        await kept.stop()


async def test_what_was_never_started_is_stopped_at_once(store: JobStore, files: JobFiles) -> None:
    await retention(store, files).stop()


async def test_what_cannot_be_removed_holds_up_nothing_else(
    store: JobStore, of_old: JobStore, files: JobFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = with_files(files, await run(store))
    stubborn, other = [with_files(files, await run(of_old)) for _ in range(2)]

    def refuse(path: Path) -> None:
        if path.name == stubborn.job_id:
            raise PermissionError(path)
        retention_files.remove(path)

    monkeypatch.setattr("ci_server.storage.retention.remove", refuse)
    await retention(store, files).once()
    assert {path.name for path in files.jobs.iterdir()} == {stubborn.job_id, kept.job_id}
    assert await store.known([stubborn.job_id, other.job_id]) == set()
    monkeypatch.undo()
    seen_later(monkeypatch)
    await retention(store, files).once()
    assert [path.name for path in files.jobs.iterdir()] == [kept.job_id]
