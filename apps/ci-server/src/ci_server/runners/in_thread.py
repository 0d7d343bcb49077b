"""Work on files, off the event loop."""

import asyncio
from asyncio import to_thread
from collections.abc import Callable
from threading import Event


async def in_thread(work: Callable[[Event], None]) -> None:
    """Do work that blocks; where this is cancelled, the event given to it is set, and its end is waited for.

    So nothing is written behind our back afterwards.
    """
    abandoned = Event()
    working = asyncio.ensure_future(to_thread(work, abandoned))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        abandoned.set()
        await asyncio.wait({working})
        raise
