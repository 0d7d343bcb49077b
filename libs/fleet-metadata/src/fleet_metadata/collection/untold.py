"""Why a key that was asked for is not in an answer."""

from fleet_metadata.collection.answer import Answer
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.taken import Status


class NoSuchKey(Exception):
    """Nobody knows the key, or it does not apply to this workspace."""


class NotTold(Exception):
    """There is the key, and its value is not known at this moment."""


def why_untold(board: Board, answer: Answer, key: str) -> NoSuchKey | NotTold:
    """The reason for which `key` is not in `answer`, which was asked for it."""
    collector = board.collector_of(key)
    if collector is None:
        return NoSuchKey(
            f"There is no key {key[:256]!r}. The tool list_metadata_keys, or GET /metadata, tells what there is."
        )
    state = answer.state(collector.name)
    error = state.get("error", "")
    match state["status"]:
        case Status.NOT_APPLICABLE:
            return NoSuchKey(f"{key} does not apply to this workspace: {error}.")
        case Status.DISABLED:
            return NoSuchKey(f"{key} is not told here, as the collector {collector.name} is disabled.")
        case _:
            cut = f"{key} is too large to be told" if key in answer.truncated else ""
            return NotTold(f"{collector.name}: {error or cut or 'no value was told'}")
