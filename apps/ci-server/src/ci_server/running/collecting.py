import errno
import shutil
import zlib
from asyncio import to_thread
from pathlib import Path
from tempfile import mkdtemp
from zipfile import ZipFile

import structlog

from ci_server.domain.job import Results
from ci_server.domain.results import LARGEST_XML, results_of
from ci_server.running.run_of import JUNIT, globs_of
from ci_server.running.runner import Run, Runner

_PART = "artifacts-"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_MAX_CANDIDATES = 10

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def collected(runner: Runner, run: Run, artifacts: Path) -> Results | None:
    """Put the artifacts of an ended run into their folder, in place of what is there; what their JUnit XML says.

    Without artifacts where they cannot be read. Raises RunnerAway, and OSError where the disk is full.
    """
    try:
        part = await to_thread(_new_part, run.folder)
        await runner.collect(run, globs_of(run), part)
        await to_thread(_put, part, artifacts)
        return await to_thread(_results_in, artifacts, run.project)
    except OSError as error:
        if error.errno in _FULL:
            raise
        _log.warning("artifacts_not_collected", run=run.name, error=str(error))
        return None


def _new_part(folder: Path) -> Path:
    for left in folder.glob(f"{_PART}*"):
        shutil.rmtree(left)
    return Path(mkdtemp(prefix=_PART, dir=folder))


def _put(part: Path, artifacts: Path) -> None:
    if artifacts.exists():
        shutil.rmtree(artifacts)
    part.rename(artifacts)


def _results_in(artifacts: Path, project: Path) -> Results | None:
    """Of `junit.xml`, or of another file that is JUnit XML; not of one that came with the project."""
    candidates = [artifacts / JUNIT, *sorted(artifacts.rglob("*.xml"))][:_MAX_CANDIDATES]
    with ZipFile(project, metadata_encoding="utf-8") as archive:
        made = (data for path in candidates if (data := _made(archive, artifacts, path)))
        return next((results for data in made if (results := results_of(data))), None)


def _made(archive: ZipFile, artifacts: Path, path: Path) -> bytes:
    data = _read(path)
    return b"" if _came_with(archive, path.relative_to(artifacts).as_posix(), data) else data


def _read(path: Path) -> bytes:
    if not path.is_file() or path.stat().st_size > LARGEST_XML:
        return b""
    return path.read_bytes()


def _came_with(archive: ZipFile, name: str, data: bytes) -> bool:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        return False
    return entry.file_size == len(data) and zlib.crc32(data) == entry.CRC
