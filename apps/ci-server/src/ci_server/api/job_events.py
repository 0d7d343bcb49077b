"""What a stream says of a job, event by event."""

import json
from codecs import utf_8_decode
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from ci_server.api.event_id import Place, event_id
from ci_server.api.job_watch import JobWatch
from ci_server.api.job_watches import JobWatches
from ci_server.domain.job import Attempt
from ci_server.storage.log_reader import LogTexts

PING_SECONDS = 15.0
"""Of silence, after which a comment shows that the stream is alive."""

FROM_NOW_ON = -1
"""In place of an offset: nothing of what the log holds already."""

_DELETED = "The job was deleted, as it ended long ago (CI_RETENTION_DAYS and CI_RETENTION_GB of the server)."
_LONGEST_CHARACTER = 4


async def job_events(
    watches: JobWatches, job_id: str, attempt: Attempt, offset: int, *, tell_id: bool = False
) -> AsyncGenerator[bytes]:
    """Frames of server-sent events of one attempt: its places in the queue, its log from a byte offset on, its end.

    With `tell_id`, the first says the job's id. When the server stops, they stop without an end.
    """
    async with watches.watch(job_id, attempt) as watch:
        if offset == FROM_NOW_ON:
            offset = await _from_now_on(watch)
        texts = LogTexts(watch.log, offset)
        place: int | None = None
        if tell_id:
            yield _event({"type": "job_id", "job_id": job_id}, (watch.number, offset))
        while not watches.stopping.is_set():
            seen, over, ended = watch.version, watch.is_over, watch.attempt
            if watch.position not in (None, place) and not over:
                place = watch.position
                yield _event({"type": "queued", "position": place}, (watch.number, texts.offset))
            async with aclosing(texts.there(final=over)) as there:
                async for text, end in there:
                    yield _event({"type": "log", "data": text}, (watch.number, end))
                    if watches.stopping.is_set():
                        return
            if over:
                yield _event(_end(ended), (watch.number, texts.offset))
                return
            if not await watch.news(seen, PING_SECONDS):
                yield KEEPALIVE_COMMENT


async def _from_now_on(watch: JobWatch) -> int:
    """Where the log ends, or its last character begins if only a part of that is there."""
    size = watch.log.size
    if watch.is_over:
        return size
    tail = await watch.log.read(max(0, size - _LONGEST_CHARACTER), min(size, _LONGEST_CHARACTER))
    _, whole = utf_8_decode(tail, "replace", False)
    return size - len(tail) + whole


def _end(attempt: Attempt | None) -> Mapping[str, Any]:
    if attempt is None:
        told = {"success": False, "status": "deleted", "reason": _DELETED, "exit_code": None}
    else:
        told = {
            "success": bool(attempt.success),
            "status": attempt.status,
            "reason": attempt.reason,
            "exit_code": attempt.exit_code,
        }
    return {"type": "complete", **told}


def _event(told: Mapping[str, Any], place: Place) -> bytes:
    # In ASCII: many a client takes more characters for the end of a line than the standard does.
    return format_sse_event(data_str=json.dumps(told), id=event_id(place))
