import asyncio
import json
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request

from ci_server.domain.errors import UploadRefused
from ci_server.intake.form import Submission, submission_of
from ci_server.intake.multipart import AROUND_THE_FILE, FormReader, too_large
from problem_details import Problem

SILENT_SECONDS = 60
_COLLECTED = 256 * 1024
_Value = TypeVar("_Value")


class UploadUnwritable(Exception):
    """An upload cannot be stored, for a full disk for one. It is not its sender's fault."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"The server cannot store the upload: {error.strerror or error}. Tell its operator; try later."
        )


class Upload:
    """A zip that has come, in a folder of its own, and what is to be done with it."""

    def __init__(self, folder: Path, submission: Submission, size: int) -> None:
        self.folder = folder
        self.path = folder / "project.zip"
        self.submission = submission
        self.size = size
        """Of the zip, in bytes."""

    async def keep(self, destination: Path) -> None:
        """Make the folder the `destination`, which must not be there, with the zip and the secrets in it.

        What is there then is complete and on the disk. Raises UploadUnwritable.
        """
        await _in_thread(lambda: self._keep(destination))

    def _keep(self, destination: Path) -> None:
        try:
            _sync(self.path)
            if self.submission.secrets:
                _write_secrets(self.folder / "secrets.json", self.submission.secrets)
            _sync(self.folder)
            destination.parent.mkdir(parents=True, exist_ok=True)
            self.folder.rename(destination)
            _sync(destination.parent)
        except OSError as error:
            raise UploadUnwritable(error) from error


@asynccontextmanager
async def receive(request: Request, uploads: Path, largest: int) -> AsyncGenerator[Upload]:
    """Receive a submission whose zip has at most `largest` bytes, in a folder of its own below `uploads`.

    The zip goes to the disk as it comes. At the end the folder is removed, whatever happened, unless it was
    kept. Raises UploadRefused, UploadTooLarge, UploadUnwritable, and Problem: for the fields of the form, and
    where nothing comes for SILENT_SECONDS.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > largest + AROUND_THE_FILE:
        raise too_large(largest)
    folder = uploads / uuid4().hex
    try:
        yield await _received(request, folder, largest)
    finally:
        await _in_thread(lambda: shutil.rmtree(folder, ignore_errors=True))


async def _received(request: Request, folder: Path, largest: int) -> Upload:
    waiting = bytearray()
    form = FormReader(request.headers.get("content-type", ""), waiting.extend, largest)
    file = _create(folder)
    try:
        await _copy(request, form, waiting, file)
        size = os.fstat(file).st_size
    finally:
        os.close(file)
    return Upload(folder, submission_of(form.fields), size)


async def _copy(request: Request, form: FormReader, waiting: bytearray, file: int) -> None:
    try:
        async for chunk in _chunks(request):
            form.feed(chunk)
            if len(waiting) >= _COLLECTED:
                await _flush(waiting, file)
    except ClientDisconnect:
        raise UploadRefused("The upload broke off before its end; send it again") from None
    form.finish()
    await _flush(waiting, file)


async def _chunks(request: Request) -> AsyncGenerator[bytes]:
    """Of the body; a sender who is silent for too long is not waited for."""
    chunks = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                chunk = await anext(chunks, None)
        except TimeoutError:
            detail = f"Nothing came of the upload for {SILENT_SECONDS} s; send it again."
            raise Problem(408, "Request timeout", detail, slug="request-timeout") from None
        if chunk is None:
            return
        yield chunk


async def _flush(waiting: bytearray, file: int) -> None:
    data = bytes(waiting)
    waiting.clear()
    await _in_thread(lambda: _write(file, data))


def _create(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True)
        return os.open(folder / "project.zip", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UploadUnwritable(error) from error


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError as error:
        raise UploadUnwritable(error) from error


def _write_secrets(path: Path, secrets: Mapping[str, str]) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write(file, json.dumps(dict(secrets)).encode())
        os.fsync(file)
    finally:
        os.close(file)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


async def _in_thread(work: Callable[[], _Value]) -> _Value:
    """Also where it is cancelled, the work has been done when this returns."""
    doing = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        while not doing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([doing])
        raise
