import os
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ci_client.errors import StrangeAnswer, UnreadableProject


def place_in(folder: Path, path: str) -> Path:
    """Where an artifact at `path` belongs. Raises StrangeAnswer where that is not below `folder`."""
    parts = PurePosixPath(path).parts
    place = folder.joinpath(*parts)
    outside = not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path
    if outside or not place.resolve().is_relative_to(folder.resolve()):
        raise StrangeAnswer(f"The artifact {path!r} does not belong below {folder}, and is left out.")
    return place


def written(place: Path, content: Iterable[bytes]) -> Path:
    """`place`, which holds `content` now, or what it held before where that breaks off."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name[:100]}.", dir=place.parent)
    except OSError as error:
        raise _unwritable(place, error) from None
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for data in content:
                file.write(data)
        new.chmod(0o644)
        new.replace(place)
    except OSError as error:
        raise _unwritable(place, error) from None
    finally:
        new.unlink(missing_ok=True)
    return place


def _unwritable(place: Path, error: OSError) -> UnreadableProject:
    return UnreadableProject(f"{place} cannot be written: {error.strerror or error}.")
