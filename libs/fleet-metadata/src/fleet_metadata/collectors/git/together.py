import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def together() -> AsyncGenerator[asyncio.TaskGroup]:
    """A group of tasks; when one fails the others are cancelled and awaited, and what it raised is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as failures:
        # Not in a group: those who asked know what one command may raise, and not how many there are.
        raise failures.exceptions[0] from None
