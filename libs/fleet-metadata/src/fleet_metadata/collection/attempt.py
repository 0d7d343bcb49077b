import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fleet_metadata.collector import CollectionFailed, Collector, NotApplicable, Reading

T = TypeVar("T")
_log = logging.getLogger(__name__)


def collection_by(collector: Collector) -> Callable[[], Awaitable[Reading]]:
    """Its `collect`, which raises CollectionFailed and NotApplicable and nothing else."""
    return lambda: guarded(collector, lambda: _reading(collector))


async def guarded(collector: Collector, ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` gives. A fault in a collector's code becomes CollectionFailed, and is logged."""
    try:
        return await ask()
    except (NotApplicable, CollectionFailed, KeyboardInterrupt, GeneratorExit):
        raise
    # Also one that ends its process, and one that was cancelled by somebody else than who asks.
    except BaseException as fault:
        if isinstance(fault, asyncio.CancelledError) and _is_cancelled():
            raise
        raise CollectionFailed(logged(collector, fault)) from fault


def logged(collector: Collector, fault: BaseException) -> str:
    """What clients are told of a fault in a collector's code, which is told in full in the log."""
    _log.error("collector broke", exc_info=fault, extra={"collector": collector.name})
    return f"a fault in the collector, told in the log: {type(fault).__name__}"


async def _reading(collector: Collector) -> Reading:
    reading = await collector.collect()
    if not isinstance(reading, Reading):  # pyright: ignore[reportUnnecessaryIsInstance]  # a foreign collector may give anything
        raise CollectionFailed(f"the collector gave a {type(reading).__name__}, and no Reading")
    # Copied, as the collector may go on with its own, in a thread as well.
    return Reading(dict(reading.values), [str(warning) for warning in reading.warnings])


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
