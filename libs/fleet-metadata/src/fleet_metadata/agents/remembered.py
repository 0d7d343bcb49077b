import re
from collections import OrderedDict
from time import monotonic
from typing import NamedTuple

LARGEST_BYTES = 32 * 1024 * 1024
"""How many bytes of answers are remembered of all agents together."""
OVERHEAD_BYTES = 1024
"""What an answer counts for beside its body, so that small ones are bounded in number."""

# As RFC 9110 has it, without the characters that clients and servers read in different ways.
_ETAG = re.compile(r'(W/)?"[!#-~]{0,250}"')


class Answer(NamedTuple):
    etag: str
    body: bytes
    until: float


class Remembered:
    """What was answered at a URL and still holds if the server says so; the longest unused ones give way.

    For `seconds` only: that the data has not changed does not tell how it stands with its collectors.
    """

    def __init__(self, seconds: float, largest_bytes: int = LARGEST_BYTES) -> None:
        self._seconds = seconds
        self._largest_bytes = largest_bytes
        self._bytes = 0
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def get(self, url: str) -> Answer | None:
        """The answer at `url`, if it is not too old to ask for news of it."""
        answer = self._answers.get(url)
        if answer is None or answer.until <= monotonic():
            return None
        self._answers.move_to_end(url)
        return answer

    def put(self, url: str, etag: str | None, body: bytes) -> None:
        """Remember `body`, if `etag` is one that the server can be asked by."""
        self._forget(url)
        if etag is None or not _ETAG.fullmatch(etag):
            return
        self._answers[url] = Answer(etag, body, monotonic() + self._seconds)
        self._bytes += len(body) + OVERHEAD_BYTES
        while self._bytes > self._largest_bytes:
            self._forget(next(iter(self._answers)))

    def _forget(self, url: str) -> None:
        if answer := self._answers.pop(url, None):
            self._bytes -= len(answer.body) + OVERHEAD_BYTES
