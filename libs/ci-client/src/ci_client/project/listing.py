import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci_client.errors import NothingToSubmit
from ci_client.project.git import GitFailed, repository_of
from ci_client.project.git_listing import git_names
from ci_client.project.ignored_listing import unignored_names
from ci_client.project.plain_listing import plain_names

_NOT_IN_A_ZIP = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|^[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A regular file at `path`, which is `name` in the project, relative and with slashes."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a project by name, and what was left out of them, for people."""

    files: Sequence[ProjectFile]
    warnings: Sequence[str]


def list_project(folder: Path) -> Listing:
    """What belongs to the project in `folder`.

    In a git repository that is what git tracks or would track; elsewhere all but hidden folders, caches and
    virtual environments. Links are followed to what is in the project. Raises NothingToSubmit.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise NothingToSubmit(f"There is no folder {folder}; name that of the project with --path.")
    warnings = list[str]()
    names, rule = _names(root, warnings)
    files = _Files(root, warnings).of(names)
    if not files:
        raise NothingToSubmit(f"There is nothing to submit in {root}: {rule}.")
    return Listing(files, warnings)


def _names(root: Path, warnings: list[str]) -> tuple[Sequence[str], str]:
    """The names, and for those who find none what they are."""
    repository = repository_of(root)
    if repository is None:
        return list(plain_names(root, warnings)), "it has no file outside of hidden folders and caches"
    rule = f"the git repository {repository} tracks no file there, and ignores what else there is"
    try:
        return list(git_names(root, warnings)), f"{rule} (`git status --ignored .` shows it)"
    except GitFailed as error:
        warnings.append(f"Git was not asked what belongs to the project, its .gitignore files were: {error}.")
        return list(unignored_names(root, repository, warnings)), rule


class _Files:
    def __init__(self, root: Path, warnings: list[str]) -> None:
        self._root = root
        self._warnings = warnings

    def of(self, names: Iterable[str]) -> Sequence[ProjectFile]:
        """The regular files of these names, sorted; links become what they lead to."""
        found, folders = dict[str, Path](), dict[str, str]()
        for name in sorted(set(names)):
            self._add(name, found, folders)
        for link, target in folders.items():
            found |= self._below(link, target, found)
        return [ProjectFile(name, found[name]) for name in sorted(found)]

    def _add(self, name: str, found: dict[str, Path], folders: dict[str, str]) -> None:
        place = self._root / name
        try:
            mode = place.lstat().st_mode
        except OSError:
            # It was deleted, and is tracked still.
            return
        if why := _fault_of(name):
            self._leave_out(name, why)
        elif stat.S_ISREG(mode):
            found[name] = place
        elif stat.S_ISLNK(mode):
            self._follow(name, found, folders)
        else:
            self._leave_out(name, "it is no file")

    def _follow(self, name: str, found: dict[str, Path], folders: dict[str, str]) -> None:
        try:
            target = (self._root / name).resolve(strict=True)
        except (OSError, RuntimeError):
            self._leave_out(name, "it is a link that leads nowhere")
            return
        if not target.is_relative_to(self._root) or ".git" in target.relative_to(self._root).parts:
            self._leave_out(name, "it is a link that leads out of the project")
        elif target.is_file():
            found[name] = target
        elif target.is_dir():
            folders[name] = str(target.relative_to(self._root))
        else:
            self._leave_out(name, "it is a link to what is no file")

    def _below(self, link: str, target: str, found: dict[str, Path]) -> dict[str, Path]:
        """The files in `target`, as files in `link`, if that is no part of it."""
        if target == "." or link.startswith(f"{target}/"):
            self._leave_out(link, "it is a link to a folder that it is in")
            return {}
        start = f"{target}/"
        return {
            f"{link}/{name[len(start) :]}": place for name, place in found.items() if name.startswith(start)
        }

    def _leave_out(self, name: str, why: str) -> None:
        self._warnings.append(f"{_shown(name)} is left out: {why}.")


def _shown(name: str) -> str:
    text = os.fsencode(name).decode(errors="replace")
    return text if text.isprintable() else repr(text)


def _fault_of(name: str) -> str | None:
    """Why a zip of the project cannot have it: the server would refuse the whole."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is no UTF-8, which a zip cannot hold"
    if _NOT_IN_A_ZIP.search(name):
        return "its name has control characters, a backslash or a drive, which no zip may have"
    return None
