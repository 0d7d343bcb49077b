import asyncio
import os
from pathlib import Path

from ci_server.api.schemas import public_job
from ci_server.runners.environments import Environments
from ci_server.running.controller import Controller
from ci_server.running.terms import Terms
from ci_server.settings import Settings
from ci_server.shutdown import Shutdown
from ci_server.storage.changes import Changes
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore
from ci_server.storage.migrating import what_is_missing
from ci_server.storage.outbox import Outbox
from ci_server.storage.retention import Retention
from ci_server.webhooks.deliverer import Deliverer
from ci_server.webhooks.signing import kept_secret


def webhook_secret(settings: Settings) -> str:
    """CI_WEBHOOK_SECRET, or else the one that is kept in CI_DATA_DIR, made if need be. Blocks; raises OSError."""
    given = settings.ci_webhook_secret
    return given.get_secret_value() if given else kept_secret(settings.ci_data_dir.absolute())


class DataDirUnusable(OSError):
    """CI_DATA_DIR is no folder that can be written to, and cannot be made one."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"the folder {folder} cannot be used ({error.strerror or error}); make it writable, or name another "
            "with CI_DATA_DIR."
        )


class Background:
    """What a process of the CI server does of its own accord, whether it answers requests or not.

    It delivers webhooks and removes what is old, and runs jobs if CI_CONTROLLER says so.
    """

    def __init__(self, settings: Settings) -> None:
        self.database = Database.of(settings.ci_database_url, settings.ci_db_path)
        self.files = JobFiles(settings.ci_data_dir)
        self.store = JobStore(self.database)
        self.changes = Changes(self.database)
        self.shutdown = Shutdown()
        self._settings = settings

    async def start(self) -> None:
        """Begin, on the running loop. Raises DataDirUnusable, and what a runner does."""
        secret = await asyncio.to_thread(self._prepare)
        self.changes.start()
        self.shutdown.add(self.changes.stop)
        outbox = Outbox(self.database)
        unused = Environments(self.files.environments).remove_unused
        retention = Retention(self.store, self.files, self._settings, [unused])
        for part in (Deliverer(outbox, self.changes, public_job, secret), retention):
            part.start()
            self.shutdown.add(part.stop)
        if self._settings.ci_controller:
            await self._start_controller()

    async def stop(self) -> None:
        """End all parts at once, within 5 s; jobs that run go on."""
        await self.shutdown.run()
        await self.database.close()

    async def missing(self) -> list[str]:
        """What keeps the server from working, one sentence each; nothing if it is ready."""
        missing = await what_is_missing(self.database)
        if not await asyncio.to_thread(os.access, self.files.uploads, os.W_OK):
            missing.append(f"The folder {self.files.data_dir} (CI_DATA_DIR) cannot be written to.")
        return missing

    def _prepare(self) -> str:
        try:
            for folder in (self.files.data_dir, self.files.uploads, self.files.jobs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return webhook_secret(self._settings)
        except OSError as error:
            raise DataDirUnusable(self.files.data_dir, error) from error

    async def _start_controller(self) -> None:
        # Not before it is wanted, as it brings a client of container engines along.
        from ci_server.runners.choice import chosen_runner

        runner = await chosen_runner(self._settings, self.files)
        terms = Terms.of(self._settings)
        controller = Controller(self.store, self.changes, self.files, runner, terms)
        controller.start()

        async def stop() -> None:
            await controller.stop()
            await runner.close()

        self.shutdown.add(stop)
