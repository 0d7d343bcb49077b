"""From an upload to a queued job."""

import asyncio
import os
from dataclasses import dataclass, field
from typing import Self
from uuid import uuid4

from starlette.requests import Request

from ci_server.domain.job import Job
from ci_server.intake.scan import scan
from ci_server.intake.upload import Upload, receive
from ci_server.intake.zip_check import Limits, check_zip
from ci_server.settings import Settings
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore

_MB = 1_000_000


def _as_many_as_cores() -> asyncio.Semaphore:
    return asyncio.Semaphore(os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes submissions in: first their files, complete and checked, then their rows."""

    store: JobStore
    files: JobFiles
    largest: int
    """Of a zip, in bytes."""
    limits: Limits
    scan_command: str | None
    checks: asyncio.Semaphore = field(default_factory=_as_many_as_cores)
    """More at once would keep all threads from those who submit little."""

    @classmethod
    def of(cls, settings: Settings, store: JobStore, files: JobFiles) -> Self:
        limits = Limits(settings.ci_max_entries, settings.ci_max_unpacked_mb * _MB, settings.ci_max_ratio)
        return cls(store, files, settings.ci_max_upload_mb * _MB, limits, settings.ci_upload_scan_command)

    async def submit(self, request: Request, user: str) -> Job:
        """The job that the form in the body asks for, queued. Where it is not acceptable nothing of it is kept.

        Raises as `intake.upload.receive`, `check_zip` and `scan` do, and StorageUnavailable.
        """
        async with receive(request, self.files.uploads, self.largest) as upload:
            await self._check(upload)
            job_id = uuid4().hex
            await upload.keep(self.files.job(job_id))
            return await self.store.submit(job_id, user, upload.submission.spec)

    async def _check(self, upload: Upload) -> None:
        wants_tests = upload.submission.spec.command is None
        async with self.checks:
            await asyncio.to_thread(check_zip, upload.path, self.limits, wants_tests=wants_tests)
        if self.scan_command:
            await scan(self.scan_command, upload.path)
