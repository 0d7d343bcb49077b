import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from embedded_services import DataFolder
from fleet.errors import FleetError


class DataDir:
    """The folder of one `fleet up`: what it keeps, and what it tells others. Files are mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.api_key_file = path / "api-key"
        self._endpoints = path / "endpoints.json"
        self._database_url = path / "database-url"

    @classmethod
    @contextmanager
    def held(cls, path: Path) -> Generator[Self]:
        """The folder at `path`, made if need be, for this process alone while the context lasts.

        Raises DataFolderInUse where another `fleet up` has it, FleetError where it cannot be used.
        """
        folder, data_dir = DataFolder(path), cls(path)
        try:
            # Root's PostgreSQL may have to run as another user, who then passes through here.
            path.mkdir(mode=0o700 if os.geteuid() else 0o711, parents=True, exist_ok=True)
            folder.hold()
            data_dir.withdraw()
            # It is often made in a repository, which is not to be changed by it.
            (path / ".gitignore").write_text("*\n")
            data_dir._set_old_logs_aside()
        except OSError as error:
            folder.release()
            raise FleetError(f"{error}. Choose a folder that you can write to with --data-dir.") from error
        try:
            yield data_dir
        finally:
            data_dir.withdraw()
            folder.release()

    def api_key(self) -> str | None:
        """The API key of an earlier start."""
        try:
            return self.api_key_file.read_text(errors="replace").strip() or None
        except FileNotFoundError:
            return None

    def keep_api_key(self, api_key: str) -> None:
        _write(self.api_key_file, api_key + "\n")

    def announce(self, endpoints: Mapping[str, str], database_url: str) -> None:
        """Tell others where the services and the database are. Everything answers by now."""
        _write(self._database_url, database_url + "\n")
        _write(self._endpoints, json.dumps(endpoints) + "\n")

    def withdraw(self) -> None:
        """Take back what was announced: addresses of what has stopped mislead."""
        self._endpoints.unlink(missing_ok=True)
        self._database_url.unlink(missing_ok=True)

    def _set_old_logs_aside(self) -> None:
        """Logs are of one start, and those of the start before are kept for a look at what went wrong."""
        previous = self.path / "logs.previous"
        if self.logs.exists():
            shutil.rmtree(previous, ignore_errors=True)
            self.logs.rename(previous)
        self.logs.mkdir(mode=0o700)


def _write(path: Path, text: str) -> None:
    """Write a file that others see whole or not at all."""
    descriptor, new = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    Path(new).replace(path)
