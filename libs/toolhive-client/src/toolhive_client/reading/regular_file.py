import errno
import os
import stat
from pathlib import Path


def beginning_of(file: Path, size: int) -> bytes:
    """The first `size` bytes of a file. Raises OSError, also where it is not regular: a FIFO would be waited for."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)
