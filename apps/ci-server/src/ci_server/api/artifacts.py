import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from mimetypes import guess_type
from pathlib import Path
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi import Path as InPath

from ci_server.api.attempt import AskedAttempt
from ci_server.api.file_answer import FileAnswer
from ci_server.api.schemas import Artifact
from ci_server.api.strict_route import StrictRoute
from ci_server.api.wiring import OF_A_JOB, OwnJob, Service
from ci_server.domain.job import ENDED
from problem_details import Problem

router = APIRouter(prefix=OF_A_JOB, route_class=StrictRoute, tags=["jobs"])

_BYTES = "application/octet-stream"
_ANYTHING: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}


@router.get("/artifacts", summary="List what a job left behind")
async def list_artifacts(job: OwnJob, attempt: AskedAttempt, service: Service) -> list[Artifact]:
    """The artifacts of an attempt, in order of their paths; there are none until it has ended.

    Those are the JUnit XML, coverage, and what the form field `artifacts` names. A file whose path is not
    UTF-8, or has line breaks, is left out.
    """
    if attempt.status not in ENDED:
        return []
    folder = service.files.artifacts(job.job_id, attempt.number)
    return await asyncio.to_thread(lambda: sorted(_artifacts(folder), key=lambda found: found.path))


def _artifacts(folder: Path) -> Iterator[Artifact]:
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            path = file.relative_to(folder).as_posix()
            with suppress(FileNotFoundError, UnicodeEncodeError):
                path.encode()
                found = file.lstat()
                if stat.S_ISREG(found.st_mode) and "\n" not in path:
                    yield Artifact(path=path, size=found.st_size, media_type=_media_type(path))


def _media_type(path: str) -> str:
    media_type, encoding = guess_type(path, strict=False)
    return media_type if media_type and not encoding else _BYTES


@router.get(
    "/artifacts/{path:path}",
    response_class=Response,
    responses={
        200: {"description": "All of it", "content": _ANYTHING},
        206: {"description": "The range that was asked for", "content": _ANYTHING},
    },
    summary="One file that a job left behind",
)
@router.head("/artifacts/{path:path}", include_in_schema=False)
async def get_artifact(
    path: Annotated[
        str, InPath(description="as in the list", openapi_examples={"results": {"value": "junit.xml"}})
    ],
    job: OwnJob,
    attempt: AskedAttempt,
    service: Service,
) -> Response:
    """An artifact, to be saved: no browser shows it as a page of this server. Ranges are of bytes."""
    folder = service.files.artifacts(job.job_id, attempt.number)
    file = await asyncio.to_thread(_open_below, folder, path) if attempt.status in ENDED else None
    if file is None:
        raise Problem(
            404,
            "Artifact not found",
            f"The attempt {attempt.number} has no artifact {path!r}; "
            f"GET /jobs/{job.job_id}/artifacts?attempt={attempt.number} lists them.",
            slug="artifact-not-found",
        )
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2])}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    tag = f'"{job.job_id}-{attempt.number}-{os.fstat(file.fileno()).st_mtime_ns:x}"'
    return FileAnswer(file, _media_type(path), tag, headers)


def _open_below(folder: Path, path: str) -> BinaryIO | None:
    """A regular file at that path below the folder, through no links; None where there is none."""
    *parents, name = path.split("/")
    if {"", ".", ".."} & {*parents, name} or "\0" in path:
        return None
    try:
        file = _descend(folder, parents, name)
    except (OSError, UnicodeEncodeError):
        return None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        return None
    return os.fdopen(file, "rb")


def _descend(folder: Path, parents: list[str], name: str) -> int:
    within = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    at = os.open(folder, within | os.O_DIRECTORY)
    try:
        for parent in parents:
            below = os.open(parent, within | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        # A pipe would wait for somebody to write.
        return os.open(name, within | os.O_NONBLOCK, dir_fd=at)
    finally:
        os.close(at)
