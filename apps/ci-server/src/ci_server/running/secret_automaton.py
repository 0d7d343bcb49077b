import re
from collections import deque
from collections.abc import Iterable

LEAST_LINE = 4
"""Characters of a line of a secret that is masked by itself, too."""
_WIDEST_BEGINNING = 4


class SecretAutomaton:
    """Aho and Corasick's automaton ("Efficient string matching", 1975): finds many texts in one pass.

    A node stands for a beginning of a text, and the number 0 for the empty one. Each byte costs the same,
    whatever the texts are, so that no submitter can choose secrets that take long to look for.
    """

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self.undecided = [0]
        """By node, how many of the last bytes may be the beginning of a text that is yet to end."""
        self.longest = [0]
        """By node, how many bytes the longest text has that ends there; 0 where none does."""
        self._shorter = [0]
        self._next = dict[int, int]()
        self._bytes_after = [bytearray()]
        texts = sorted(set(patterns))
        for text in texts:
            self._add(text)
        self._link()
        width = min([_WIDEST_BEGINNING, *map(len, texts)])
        self._tail = width - 1
        self._begins = re.compile(b"".join(_any_of({text[i] for text in texts}) for i in range(width)))

    def begin(self, data: bytes, start: int) -> int:
        """From where on `data` has to be looked at byte by byte; no text begins between `start` and there."""
        if found := self._begins.search(data, start):
            return found.start()
        return max(start, len(data) - self._tail)

    def step(self, node: int, byte: int) -> int:
        """The node after one more byte."""
        while (following := self._next.get(node << 8 | byte)) is None and node:
            node = self._shorter[node]
        return following or 0

    def _add(self, text: bytes) -> None:
        node = 0
        for byte in text:
            following = self._next.get(node << 8 | byte)
            node = self._grow(node, byte) if following is None else following
        self.longest[node] = len(text)

    def _grow(self, node: int, byte: int) -> int:
        new = self._next[node << 8 | byte] = len(self.undecided)
        self.undecided.append(self.undecided[node] + 1)
        self.longest.append(0)
        self._shorter.append(0)
        self._bytes_after.append(bytearray())
        self._bytes_after[node].append(byte)
        return new

    def _link(self) -> None:
        waiting = deque([0])
        while waiting:
            node = waiting.popleft()
            for byte in self._bytes_after[node]:
                child = self._next[node << 8 | byte]
                shorter = self._shorter[child] = self.step(self._shorter[node], byte) if node else 0
                self.longest[child] = self.longest[child] or self.longest[shorter]
                if not self._bytes_after[child]:
                    self.undecided[child] = self.undecided[shorter]
                waiting.append(child)
        self._bytes_after.clear()


def patterns_of(secrets: Iterable[str]) -> set[bytes]:
    """What is to be masked: the secrets, and of those with several lines each line that is not short."""
    texts = set[str]()
    for secret in secrets:
        lines = [line.strip() for line in re.split(r"[\r\n]+", secret)]
        several = [line for line in lines if len(line) >= LEAST_LINE] if len(lines) > 1 else []
        texts.update([secret, secret.strip(), *several])
    return {text.encode(errors="surrogateescape") for text in texts if text}


def _any_of(values: Iterable[int]) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % value for value in sorted(values)) + b"]"
