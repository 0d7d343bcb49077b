import io
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ci_client.errors import UnreadableProject
from ci_client.submission import Submission
from ci_client.transport import Transport

OnBytes = Callable[[int], object]
"""Is told how many bytes more are done, or how many less where it begins anew."""

TIMEOUT = httpx.Timeout(60, read=300)
"""In seconds; the server may have the zip looked through before it answers."""


class _CountedFile(io.BufferedReader):
    def __init__(self, path: Path, on_bytes: OnBytes) -> None:
        super().__init__(io.FileIO(path))
        self._on_bytes = on_bytes
        self._told = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._told += len(data)
        self._on_bytes(len(data))
        return data

    def forget(self) -> None:
        self._on_bytes(-self._told)
        self._told = 0


@contextmanager
def submitting(
    transport: Transport, path: str, project: Path, submission: Submission, on_bytes: OnBytes | None = None
) -> Generator[httpx.Response]:
    """The answer to a submission of the zip at `project`, which is not read into memory. Raises CiError."""
    try:
        file = _CountedFile(project, on_bytes or (lambda _size: None))
    except OSError as error:
        raise UnreadableProject(f"{project} cannot be read: {error.strerror}.") from None
    with file:
        answered = False
        try:
            with transport.open(
                "POST",
                path,
                data=submission.form(),
                files={"file": ("project.zip", file, "application/zip")},
                timeout=TIMEOUT,
            ) as response:
                answered = True
                yield response
        finally:
            if not answered:
                file.forget()
