"""Somebody afar to fetch from."""

import asyncio


class FetchedServer:
    """Answers with a number that grows, or fails with `fault`; waits while `go` is not set."""

    def __init__(self) -> None:
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.fault: BaseException | None = None
        self.stubborn = False
        self.go = asyncio.Event()
        self.go.set()

    async def fetch(self) -> int:
        self.asked += 1
        number, fault = self.asked, self.fault
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._wait()
        finally:
            self.at_once -= 1
        if fault:
            raise fault
        return number

    async def _wait(self) -> None:
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
