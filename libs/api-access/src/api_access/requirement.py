from typing import Final, NamedTuple


class Requirement(NamedTuple):
    """What a request must bring: a scope, and a token of the bucket of a limit class."""

    scope: str
    limit_class: str


class KeyOnly:
    """A good key is enough; what more is needed, the route asks of `scope["state"]["access"]` itself."""


KEY_ONLY: Final = KeyOnly()
