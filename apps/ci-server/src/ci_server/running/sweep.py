from collections.abc import Set as AbstractSet
from functools import partial

from ci_server.running.attempt_lock import attempt_lock
from ci_server.running.outliving import Outliving
from ci_server.running.run_of import run_name
from ci_server.running.runner import Runner, RunnerAway
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore


class Sweep:
    """Removes what is left in the engine of attempts that have ended, where their controller died before it could."""

    def __init__(self, store: JobStore, files: JobFiles, runner: Runner) -> None:
        self._store = store
        self._files = files
        self._runner = runner
        self.engine_answers = False
        """Whether the engine did when it was asked last."""

    async def once(self) -> None:
        """Raises RunnerAway and StorageUnavailable."""
        # In this order: what is in the engine was running before it got there.
        names = await self._names()
        running = {run_name(job) for job in await self._store.running()} if names else set[str]()
        for name in sorted(names - running):
            await Outliving("removal", partial(self._remove, name)).once()

    async def _names(self) -> AbstractSet[str]:
        try:
            names = await self._runner.names()
        except RunnerAway:
            self.engine_answers = False
            raise
        self.engine_answers = True
        return frozenset(names)

    async def _remove(self, name: str) -> None:
        job_id, _, number = name.rpartition("-")
        if not number.isdigit() or not self._files.attempt(job_id, int(number)).is_dir():
            await self._runner.remove_by_name(name)
            return
        with attempt_lock(self._files.lock(job_id, int(number))) as free:
            # Else its controller is alive and about to remove it.
            if free:
                await self._runner.remove_by_name(name)
