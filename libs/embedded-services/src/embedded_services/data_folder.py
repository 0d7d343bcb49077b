import fcntl
import os
from pathlib import Path
from typing import IO

from embedded_services.errors import DataFolderInUse


class DataFolder:
    """The folder of one server, of which one process at a time is the supervisor.

    Files made here are for their owner only (mode 0600).
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def is_held(self) -> bool:
        return self._lock is not None

    def hold(self) -> None:
        """Make the folder if need be, and keep others out until `release()` or the end of this process.

        Raises DataFolderInUse at once if another supervisor holds it, OSError if it cannot be written.
        """
        if self.is_held:
            return
        # Others may pass through, for a server that runs as another user, and see nothing on the way.
        self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = self._open("lock", os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode() or "unknown"
            os.close(descriptor)
            raise DataFolderInUse(
                f"The data folder {self.path} is in use by process {holder}. "
                "Stop that process, or choose another data folder."
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._lock = descriptor

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def log(self, name: str) -> IO[bytes]:
        """The log file `name`, opened to append to."""
        return os.fdopen(self._open(name, os.O_WRONLY | os.O_APPEND), "ab")

    def write_secret(self, name: str, text: str) -> None:
        """Write `text` to the file `name`, on disk when this returns."""
        with os.fdopen(self._open(name, os.O_WRONLY | os.O_TRUNC), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def give_to(self, user: int) -> None:
        """Make `user` the owner of the folder and all that is in it."""
        for path in (self.path, *self.path.rglob("*")):
            os.lchown(path, user, user)

    def _open(self, name: str, flags: int) -> int:
        descriptor = os.open(self.path / name, flags | os.O_CREAT, 0o600)
        if os.geteuid() == 0:
            # Root working in somebody's folder leaves nothing there which that user cannot use.
            owner = self.path.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor
