from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from dependency_graph.domain.errors import IdempotencyKeyReused, IngestInProgress

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that may be sent again: whose it is, its Idempotency-Key, and a digest of its body."""

    key_id: str
    idempotency_key: str
    body_digest: bytes


class Answers(Protocol):
    """Answers to repeatable requests, in the transaction that does their work.

    So an answer is there exactly if its work is, whatever dies when; nothing is left of work undone.
    """

    async def claim(self, request: Repeatable) -> bool:
        """Hold the key until the end of the transaction; False if another request holds it."""
        ...

    async def find(self, request: Repeatable) -> tuple[bytes, Answer] | None:
        """The digest and the answer stored under the request's key within the last 24 hours."""
        ...

    async def save(self, request: Repeatable, answer: Answer) -> None: ...


async def answer_once(
    request: Repeatable, answers: Answers, work: Callable[[], Awaitable[Answer]]
) -> tuple[Answer, bool]:
    """Do `work` unless `request` was answered before; its answer, and whether it is a replay.

    Raises IngestInProgress while another request with the key is at work, IdempotencyKeyReused where the
    key came with another body.
    """
    if not await answers.claim(request):
        raise IngestInProgress
    stored = await answers.find(request)
    if stored is None:
        answer = await work()
        await answers.save(request, answer)
        return answer, False
    digest, answer = stored
    if digest != request.body_digest:
        raise IdempotencyKeyReused
    return answer, True
