import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from ci_client.errors import UnreadableProject
from ci_client.project.listing import ProjectFile

_CHUNK = 256 * 1024
# More takes much longer, and saves little.
_LEVEL = 6


@contextmanager
def zipped(files: Iterable[ProjectFile], on_bytes: Callable[[int], object] | None = None) -> Generator[Path]:
    """A zip of the files, in their order, on disk while the context lasts. Raises UnreadableProject.

    `on_bytes` is told how many bytes of them were read. A file that has gone meanwhile is left out.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="ci-project-", suffix=".zip"))
            with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=_LEVEL, strict_timestamps=False) as archive:
                for entry in files:
                    _add(archive, entry, on_bytes or (lambda _size: None))
            file.flush()
        except OSError as error:
            raise UnreadableProject(
                f"The zip of the project cannot be written to {tempfile.gettempdir()}: {error.strerror or error}; "
                "TMPDIR names another place."
            ) from None
        yield Path(file.name)


def _add(archive: ZipFile, entry: ProjectFile, on_bytes: Callable[[int], object]) -> None:
    try:
        source = entry.path.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnreadableProject(f"{entry.path} cannot be read: {error.strerror}.") from None
    with source:
        info = ZipInfo.from_file(entry.path, entry.name, strict_timestamps=False)
        info.compress_type = ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=info.file_size >= 2**31 - 1) as target:
            while data := source.read(_CHUNK):
                target.write(data)
                on_bytes(len(data))
