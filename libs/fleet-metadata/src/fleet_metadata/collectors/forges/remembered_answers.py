from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a server answered: for a 304 to the next question with this `etag`."""

    etag: str
    body: bytes
    next: str | None


class RememberedAnswers:
    """The last answer of each URL; those asked for longest ago go first, when they are too many or too large."""

    def __init__(self, most: int = 64, most_bytes: int = 16 * 1024 * 1024) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers = OrderedDict[str, Remembered]()

    def get(self, url: str) -> Remembered | None:
        answer = self._answers.get(url)
        if answer:
            self._answers.move_to_end(url)
        return answer

    def put(self, url: str, answer: Remembered) -> None:
        self.forget(url)
        self._answers[url] = answer
        self._bytes += len(answer.body)
        while len(self._answers) > self._most or self._bytes > self._most_bytes:
            self.forget(next(iter(self._answers)))

    def forget(self, url: str) -> None:
        if answer := self._answers.pop(url, None):
            self._bytes -= len(answer.body)
