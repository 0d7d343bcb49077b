import os
from collections.abc import Callable, Generator
from pathlib import Path

LEFT_OUT = {
    *(".git", ".hg", ".svn", ".venv", ".tox", ".nox", "__pycache__", "node_modules"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"),
}
_ENVIRONMENT = "pyvenv.cfg"


def plain_names(folder: Path, warnings: list[str]) -> Generator[str]:
    """The names of all below `folder`, but for its hidden folders, caches and virtual environments.

    They are relative to it. Adds to `warnings`.
    """

    def is_wanted(relative: str) -> bool:
        hidden = relative.startswith(".") and "/" not in relative
        return not hidden and relative.rpartition("/")[2] not in LEFT_OUT

    return walked(folder, is_wanted, lambda _file: True, warnings)


def walked(
    folder: Path,
    is_folder_wanted: Callable[[str], bool],
    is_file_wanted: Callable[[str], bool],
    warnings: list[str],
) -> Generator[str]:
    """The names below `folder` that are wanted, relative to it, with slashes. Adds to `warnings`."""

    def complain(error: OSError) -> None:
        warnings.append(f"{error.filename} is left out: {error.strerror}.")

    for parent, folders, files in os.walk(folder, onerror=complain):
        prefix = "" if parent == str(folder) else os.path.relpath(parent, folder) + "/"
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]  # noqa: PTH114, PTH118  # names may be no UTF-8
        folders[:] = [
            name
            for name in folders
            if name not in links and is_folder_wanted(prefix + name) and not _is_environment(parent, name)
        ]
        for name in (*files, *links):
            if is_file_wanted(prefix + name):
                yield prefix + name


def _is_environment(parent: str, name: str) -> bool:
    return Path(parent, name, _ENVIRONMENT).exists()
