from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the id of an API key, or whoever started the server on its standard streams."""

    key_id: str
    may_write: bool


LOCAL = Caller("local", may_write=True)
"""Whoever started the server on its standard streams."""
