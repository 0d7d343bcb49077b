import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from prometheus_client import Counter

from ci_server.domain.errors import StorageUnavailable
from ci_server.settings import Settings
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore
from ci_server.storage.retention_files import not_touched_since, remove, sizes_of

FIRST_AFTER_SECONDS = 60.0
EVERY_SECONDS = 3600.0
NOBODYS_AFTER_SECONDS = 3600.0
"""So long after it was touched last, what belongs to no job is taken for what a crash has left."""
STOP_SECONDS = 2.0
BYTES_OF_A_GB = 10**9

_AT_A_TIME = 200
_JOB_ID = re.compile(r"[0-9a-f]{32}")
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

jobs_removed = Counter("ci_jobs_removed", "Ended jobs removed, as they were old or the disk is full", ["why"])
retention_failures = Counter(
    "ci_retention_failures", "Rounds of the retention that broke off, and what it could not remove"
)


class Retention:
    """Removes what is kept for too long, every hour from `start` to `stop`; any number of processes may.

    Jobs that ended more than CI_RETENTION_DAYS ago, then those that ended first while all that have ended take
    more than CI_RETENTION_GB; what crashes have left in the folders of jobs and of uploads; and what
    `clean_ups` do, which block and are given the days. What has not ended is never touched.
    `stop` takes two seconds at the most; what it breaks off is done in the next round.
    """

    def __init__(
        self,
        store: JobStore,
        files: JobFiles,
        settings: Settings,
        clean_ups: Sequence[Callable[[float], object]] = (),
    ) -> None:
        self._store = store
        self._files = files
        self._days = settings.ci_retention_days
        self._most_bytes = settings.ci_retention_gb * BYTES_OF_A_GB
        self._clean_ups = clean_ups
        self._is_warned = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=STOP_SECONDS)

    async def once(self) -> None:
        """One round. Raises StorageUnavailable and OSError."""
        for job_id in await self._store.ended(datetime.now(UTC) - timedelta(days=self._days)):
            await self._remove(job_id, "age")
        await self._remove_beyond_size()
        await self._sweep_jobs()
        await _remove_nobodys(await asyncio.to_thread(_entries, self._files.uploads))
        for clean_up in self._clean_ups:
            await asyncio.to_thread(clean_up, self._days)

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_AFTER_SECONDS)
        while True:
            try:
                await self.once()
            except (StorageUnavailable, OSError) as error:
                retention_failures.inc()
                _log.warning("retention_broke_off", error=str(error))
            except Exception:  # noqa: BLE001  # where a round of the loop ends
                retention_failures.inc()
                _log.exception("retention_broke")
            await asyncio.sleep(EVERY_SECONDS)

    async def _remove(self, job_id: str, why: str) -> None:
        # The row first: a folder without one is swept, a row without a folder would be a job that is broken.
        if await self._store.delete(job_id):
            jobs_removed.labels(why).inc()
            _log.info("job_removed", job_id=job_id, why=why)
            await _remove_folder(self._files.job(job_id))

    async def _remove_beyond_size(self) -> None:
        sizes = await self._sizes(await self._store.ended())
        kept = sum(sizes.values())
        for job_id, size in sizes.items():
            if kept <= self._most_bytes:
                return
            await self._remove(job_id, "size")
            kept -= size

    async def _sizes(self, job_ids: Sequence[str]) -> Mapping[str, int]:
        sizes = dict[str, int]()
        for some in _in_parts(job_ids):
            folders = [self._files.job(job_id) for job_id in some]
            sizes.update(zip(some, await asyncio.to_thread(sizes_of, folders), strict=True))
        return sizes

    async def _sweep_jobs(self) -> None:
        """Remove folders of jobs that no row knows: their submission or their removal broke off.

        None where no row knows any: then it is the database that is wrong.
        """
        found = [path.name for path in await asyncio.to_thread(_entries, self._files.jobs)]
        job_ids = [name for name in found if _JOB_ID.fullmatch(name)]
        known = {job_id for some in _in_parts(job_ids) for job_id in await self._store.known(some)}
        if job_ids and not known:
            self._warn_of_the_database(len(job_ids))
            return
        for some in _in_parts([job_id for job_id in job_ids if job_id not in known]):
            await _remove_nobodys([self._files.job(job_id) for job_id in some])

    def _warn_of_the_database(self, folders: int) -> None:
        if not self._is_warned:
            advice = "see whether CI_DATABASE_URL or CI_DB_PATH belongs to CI_DATA_DIR"
            _log.warning("folders_of_jobs_unknown", folder=str(self._files.jobs), jobs=folders, advice=advice)
        self._is_warned = True


async def _remove_nobodys(paths: Sequence[Path]) -> None:
    before = time.time() - NOBODYS_AFTER_SECONDS
    for path in await asyncio.to_thread(not_touched_since, before, paths):
        _log.info("leftover_removed", path=str(path))
        await _remove_folder(path)


async def _remove_folder(path: Path) -> None:
    try:
        await asyncio.to_thread(remove, path)
    except OSError as error:
        # It is nobody's by now, and every round tries it again; the rest goes on.
        retention_failures.inc()
        _log.warning("not_removed", path=str(path), error=str(error))


def _entries(folder: Path) -> Sequence[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _in_parts(job_ids: Sequence[str]) -> Sequence[Sequence[str]]:
    return [job_ids[start : start + _AT_A_TIME] for start in range(0, len(job_ids), _AT_A_TIME)]
