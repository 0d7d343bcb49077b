import asyncio

import structlog

from api_access.errors import StoreUnavailable
from api_access.key_store import KeyStore

_log = structlog.get_logger()
_GATHER_SECONDS = 1.0
_STOP_SECONDS = 2.0
_CANCEL_SECONDS = 1.0


class KeyUse:
    """Writes down in the background which keys are in use. Losing a note does no harm, so nobody waits."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._noted: set[str] = set()
        self._writer: asyncio.Task[None] | None = None

    def note(self, key_id: str) -> None:
        """The key was used just now; written within seconds, together with others."""
        self._noted.add(key_id)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_soon())

    async def stop(self) -> None:
        """Write what is noted and end, within two seconds, or three where the database does not let go."""
        tasks = {asyncio.create_task(self._write())}
        if self._writer is not None:
            self._writer.cancel()
            tasks.add(self._writer)
        _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            # Not left behind with a connection in hand; a driver that is cancelled may take its time to close.
            await asyncio.wait(late, timeout=_CANCEL_SECONDS)

    async def _write_soon(self) -> None:
        while self._noted:
            await asyncio.sleep(_GATHER_SECONDS)
            await self._write()

    async def _write(self) -> None:
        noted, self._noted = self._noted, set()
        if not noted:
            return
        try:
            await self._store.record_use(noted)
        except StoreUnavailable as error:
            _log.warning("api_key_use_not_recorded", keys=len(noted), error=str(error))
