from collections.abc import Iterable

from ci_server.running.secret_automaton import SecretAutomaton, patterns_of

MASK = b"***"


class Masker:
    """Replaces secrets by `***` in bytes that come in parts; secrets that overlap become one `***`.

    What comes out depends on the whole of what went in, not on how that was cut. Held back is only what may be
    the beginning of a secret. Of a secret with several lines each of 4 or more characters is masked by itself,
    too; spaces around secrets and lines are no part of them.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        patterns = patterns_of(secrets)
        self._automaton = SecretAutomaton(patterns) if patterns else None
        self._held = b""
        self._node = 0
        self._found = list[tuple[int, int]]()
        """Where secrets are in what is held back, in order and apart; from -1 where the mask is out already."""

    def feed(self, data: bytes) -> bytes:
        """What is decided by now of all that was fed, and was not returned yet."""
        if not self._automaton:
            return data
        text = self._held + data
        self._search(self._automaton, text, len(self._held))
        return self._release(text, len(text) - self._automaton.undecided[self._node])

    def finish(self) -> bytes:
        """The rest; after that the masker is as new."""
        self._node = 0
        return self._release(self._held, len(self._held))

    def _search(self, automaton: SecretAutomaton, text: bytes, position: int) -> None:
        step, longest, end, node = automaton.step, automaton.longest, len(text), self._node
        while position < end:
            if not node and (position := automaton.begin(text, position)) >= end:
                break
            node = step(node, text[position])
            position += 1
            if longest[node]:
                self._cover(position - longest[node], position)
        self._node = node

    def _cover(self, start: int, end: int) -> None:
        while self._found and self._found[-1][1] > start:
            start = min(start, self._found.pop()[0])
        self._found.append((start, end))

    def _release(self, text: bytes, decided: int) -> bytes:
        """No secret that is yet to come begins before `decided`."""
        parts, position = list[bytes](), 0
        for start, end in self._found:
            if start >= decided:
                break
            parts += [text[position : max(start, 0)], MASK if start >= 0 else b""]
            position = end
        parts.append(text[position:decided])
        self._held = text[decided:]
        self._found = [(_moved(s, decided), e - decided) for s, e in self._found if e > decided]
        return b"".join(parts)


def _moved(start: int, decided: int) -> int:
    return start - decided if start >= decided else -1
