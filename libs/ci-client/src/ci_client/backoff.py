import random

FIRST_SECONDS, LONGEST_SECONDS = 0.25, 30.0
MOST_RETRY_AFTER_SECONDS = 120.0
"""A server that wants to be left alone for longer is not waited for."""


class Backoff:
    """Pauses between tries: each twice the one before, up to 30 s, and shortened by up to a half at random."""

    def __init__(self, tries: int) -> None:
        self._tries = tries
        self._made = 0

    def pause(self) -> float | None:
        """Seconds before the next try, or None where there have been enough since the last success."""
        self._made += 1
        if self._made >= self._tries:
            return None
        longest = min(FIRST_SECONDS * 2 ** (self._made - 1), LONGEST_SECONDS)
        return longest * random.uniform(0.5, 1)

    def succeeded(self) -> None:
        self._made = 0
