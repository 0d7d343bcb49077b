"""Hands arguments to bubblewrap. Standard library only: it is part of the shim."""

import os
from collections.abc import Iterable


def arguments_file(arguments: Iterable[str]) -> int:
    """A descriptor for `bwrap --args`: what is on a command line can be read by everybody. Close it."""
    file = os.memfd_create("arguments", 0)
    with open(file, "wb", closefd=False) as writing:
        writing.write("".join(f"{one}\0" for one in arguments).encode(errors="surrogateescape"))
    os.lseek(file, 0, os.SEEK_SET)
    return file
