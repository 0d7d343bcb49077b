from collections.abc import Iterator
from threading import get_ident
from typing import Generic, TypeVar

T = TypeVar("T")


class Watched(list[T], Generic[T]):
    """A list; `read_in` are the threads that went through it."""

    def __iter__(self) -> Iterator[T]:
        self.read_in = {*getattr(self, "read_in", ()), get_ident()}
        return super().__iter__()
