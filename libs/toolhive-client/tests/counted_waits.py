import asyncio
from collections.abc import Callable


class Waits:
    """Sleeps that take no time; `seconds` are how long they should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; raises TimeoutError after half a minute."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def under_way(name: str) -> int:
    """How many tasks run the coroutine function of that name."""
    running = [getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks()]
    return running.count(name)
