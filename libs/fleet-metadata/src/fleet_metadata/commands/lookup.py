from collections.abc import Sequence
from typing import Any

from fleet_metadata.agents.workspace_metadata import CollectorState
from fleet_metadata.collection.selection import Selection
from fleet_metadata.collection.untold import NoSuchKey, NotTold
from fleet_metadata.commands.reading import Reader


async def value_of(key: str, reader: Reader) -> Any:
    """The value of `key` now. Raises NoSuchKey, which names those that there are, NotTold and CannotRead."""
    metadata = await reader.read(Selection(names=frozenset({key})))
    if key in metadata.data:
        return metadata.data[key].value
    if key in metadata.truncated:
        raise NotTold(f"{key} is too large to be told.")
    match metadata.collectors:
        case [CollectorState(status="not_applicable") as state]:
            raise await _no_such_key(f"{key} does not apply here: {state.error or state.name}.", reader)
        case [CollectorState(status="disabled") as state]:
            raise await _no_such_key(f"{key} is not told here: collector {state.name} is disabled.", reader)
        case [state]:
            raise NotTold(_why_untold(key, state))
        case _:
            raise await _unknown(key, reader)


async def _unknown(key: str, reader: Reader) -> NoSuchKey | NotTold:
    # A collector that cannot be loaded knows no keys, and this may be one of them.
    everything = await reader.read()
    for state in everything.collectors:
        if state.status == "failed" and key.startswith(f"{state.name}_"):
            return NotTold(_why_untold(key, state))
    return NoSuchKey(_with_keys(f"There is no key {key}.", list(everything.data)))


async def _no_such_key(reason: str, reader: Reader) -> NoSuchKey:
    return NoSuchKey(_with_keys(reason, list((await reader.read()).data)))


def _with_keys(reason: str, keys: Sequence[str]) -> str:
    return f"{reason} There are: {', '.join(keys) or 'none'}."


def _why_untold(key: str, state: CollectorState) -> str:
    return f"{key} is not known now: {state.error or f'collector {state.name} told no value'}."
