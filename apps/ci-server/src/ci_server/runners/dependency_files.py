"""The files in which a Python project says what it needs, read from its zip."""

import posixpath
import re
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci_server.running.runner import CannotRun

MAX_BYTES = 32 * 1024**2
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
CONSTRAINTS = "ci-constraints.txt"
TEST_GROUPS = ("test", "tests", "dev")
INCLUDED = re.compile(r"^(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
OPTION_WITH_PATH = re.compile(r"^(?:-e|--editable|-f|--find-links)[\s=]*(\S+)")
PATHS = (".", ".whl", ".zip", ".tar.gz")
NOT_OF_AN_INDEX = {"git", "vcs", "url", "path", "directory", "archive", "editable", "virtual"}


@dataclass(frozen=True, slots=True)
class DependencyFiles:
    files: Mapping[str, bytes]
    """By their path in the project."""
    arguments: tuple[str, ...]
    """Of `uv pip install`, in the folder of the files."""
    whole_project: bool
    """Whether the project refers to files of its own, so that the others matter too."""


def read_dependency_files(project: Path) -> DependencyFiles:
    """What the zip `project` says at its root: requirements.txt, or else pyproject.toml with its lock file.

    Of a lock file the versions are kept, as constraints, where it has one version of a package. Blocks.
    Raises CannotRun for a file that is too large, or no TOML.
    """
    with zipfile.ZipFile(project, metadata_encoding="utf-8") as archive:
        if "requirements.txt" in archive.NameToInfo:
            return _of_requirements(archive)
        if "pyproject.toml" in archive.NameToInfo:
            return _of_pyproject(archive)
    return DependencyFiles({}, ("pytest",), whole_project=False)


def _of_requirements(archive: zipfile.ZipFile) -> DependencyFiles:
    files: dict[str, bytes] = {}
    local = False
    waiting = ["requirements.txt"]
    while waiting:
        name = waiting.pop()
        if name in files or name not in archive.NameToInfo:
            continue
        files[name] = _read(archive, name)
        for line in _lines(files[name]):
            if included := INCLUDED.match(line):
                waiting.append(posixpath.normpath(posixpath.join(posixpath.dirname(name), included[1])))
            local = local or _is_local(line)
    return DependencyFiles(files, ("pytest", "-r", "requirements.txt"), whole_project=local)


def _lines(content: bytes) -> Iterable[str]:
    text = content.decode(errors="replace").replace("\\\n", " ")
    return (line.split(" #")[0].strip() for line in text.splitlines())


def _is_local(line: str) -> bool:
    """Whether a line of requirements names something in the project: `-e .`, `./lib`, `x @ file:lib`."""
    if option := OPTION_WITH_PATH.match(line):
        return "://" not in option[1]
    if line.startswith(("-", "#")):
        return False
    requirement = line.partition(";")[0].strip()
    if "://" in requirement:
        return "file:" in requirement
    return "/" in requirement or "file:" in requirement or requirement.endswith(PATHS)


def _of_pyproject(archive: zipfile.ZipFile) -> DependencyFiles:
    files = {"pyproject.toml": _read(archive, "pyproject.toml")}
    content = _toml(files["pyproject.toml"], "pyproject.toml")
    arguments = ["pytest", *_said_in(content)]
    pins = {name: _read(archive, name) for name in LOCKS if name in archive.NameToInfo}
    if pins:
        lock, text = next(iter(pins.items()))
        files[CONSTRAINTS] = "".join(f"{pin}\n" for pin in _pins(_toml(text, lock))).encode()
        arguments += ["-c", CONSTRAINTS]
    return DependencyFiles(files, tuple(arguments), whole_project=_needs_its_files(content))


def _said_in(pyproject: Mapping[str, Any]) -> list[str]:
    groups = [f"--group={name}" for name in _test_groups(pyproject.get("dependency-groups"))]
    if "project" not in pyproject and "build-system" not in pyproject:
        return groups
    extras = _test_groups(pyproject.get("project", {}).get("optional-dependencies"))
    return ["-r", "pyproject.toml", *(f"--extra={name}" for name in extras), *groups]


def _test_groups(table: object) -> list[str]:
    return [name for name in table if name.lower() in TEST_GROUPS] if isinstance(table, dict) else []


def _needs_its_files(pyproject: Mapping[str, Any]) -> bool:
    project = pyproject.get("project")
    if project is None:
        return "build-system" in pyproject
    dynamic = {"dependencies", "optional-dependencies"} & set(project.get("dynamic", []))
    sources = pyproject.get("tool", {}).get("uv", {}).get("sources", {})
    return bool(dynamic or "file:" in str(project) or re.search("'(path|workspace)':", str(sources)))


def _pins(lock: Mapping[str, Any]) -> list[str]:
    versions: defaultdict[str, set[str]] = defaultdict(set)
    for package in (*lock.get("package", ()), *lock.get("packages", ())):
        source = package.get("source", {})
        if "version" in package and not NOT_OF_AN_INDEX & {*package, *source}:
            versions[package["name"]].add(package["version"])
    return [f"{name}=={found.pop()}" for name, found in sorted(versions.items()) if len(found) == 1]


def _toml(content: bytes, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CannotRun(f"{name} cannot be read as TOML ({error}); correct it and submit again.") from None


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise CannotRun(f"{name} is larger than {MAX_BYTES:,} bytes; make it smaller and submit again.")
    return content
