"""What nx takes for affected by a change is what the change affects."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
MEMBERS = {
    path.name: path
    for folder in ("apps", "libs")
    for path in sorted((ROOT / folder).iterdir())
    if path.is_dir()
}
PACKAGES = {name.replace("-", "_"): name for name in MEMBERS}
TARGETS = {"lint", "typecheck", "test"}


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def _declared(folder: Path) -> set[str]:
    """Members that the pyproject.toml of a folder names."""
    dependencies: list[str] = tomllib.loads((folder / "pyproject.toml").read_text())["project"][
        "dependencies"
    ]
    return {name for line in dependencies for name in re.findall(r"^[\w-]+", line)} & MEMBERS.keys()


def _imported(tests: Path) -> Iterator[str]:
    for path in tests.glob("**/*.py"):
        for package in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE):
            yield from filter(None, [PACKAGES.get(package)])


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_member_is_affected_by_the_members_that_it_or_its_tests_use(name: str) -> None:
    folder = MEMBERS[name]
    used = (_declared(folder) | {*_imported(folder / "tests")}) - {name}
    assert _json(folder / "project.json").get("implicitDependencies", []) == sorted(used)


def test_the_repository_is_affected_by_every_member() -> None:
    reached, ahead = set[str](), set(_json(ROOT / "project.json")["implicitDependencies"])
    while ahead:
        reached |= ahead
        ahead = {other for name in ahead for other in _declared(MEMBERS[name])} - reached
    assert reached == MEMBERS.keys()


@pytest.mark.parametrize("name", [".", *sorted(MEMBERS)])
def test_every_project_is_linted_typechecked_and_tested(name: str) -> None:
    project = _json((MEMBERS.get(name) or ROOT) / "project.json")
    assert project["targets"].keys() >= TARGETS
    assert project["name"] == ("repository" if name == "." else name)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_what_all_members_share_affects_all_of_them(target: str) -> None:
    nx = _json(ROOT / "nx.json")
    shared = {f"{{workspaceRoot}}/{name}" for name in ("pyproject.toml", "uv.lock", "conftest.py")}
    # nx looks for shared files in what a target lists, and not in the inputs that it would else take.
    assert nx["targetDefaults"][target]["inputs"] == ["default", "^default"]
    assert shared <= {one for one in nx["namedInputs"]["default"] if isinstance(one, str)}


def test_the_root_project_covers_all_python_outside_the_members() -> None:
    targets = _json(ROOT / "project.json")["targets"]
    folders = {path.parts[0] for path in _python_of_the_root()}
    for target in ("lint", "typecheck"):
        assert folders <= set(targets[target]["options"]["command"].split()), target
    assert targets["test"]["options"]["command"].endswith(" pytest tests")


def _python_of_the_root() -> Iterator[Path]:
    """Folders with Python that belong to no member, and files; migrations are below their members."""
    for path in ROOT.glob("*"):
        if path.name.startswith(".") or path.name in {
            "apps",
            "libs",
            "alembic",
            "node_modules",
            "samples",
            "docs",
        }:
            continue
        if path.suffix == ".py" or (path.is_dir() and any(path.glob("**/*.py"))):
            yield path.relative_to(ROOT)
