import asyncio
import os
import time
import zipfile
from pathlib import Path

import pytest

from ci_server.runners.environments import Dependencies, Environments, installer_variables
from ci_server.running.runner import CannotRun

PYPROJECT = """
[project]
name = "shop"
version = "1.0"
dependencies = ["acme"]
[project.optional-dependencies]
test = ["pytest-acme"]
docs = ["sphinx"]
[dependency-groups]
dev = ["ruff"]
lint = ["pyright"]
"""
UV_LOCK = """
version = 1
[[package]]
name = "acme"
version = "1.2"
source = { registry = "https://index.example/simple" }
[[package]]
name = "forked"
version = "1.0"
source = { registry = "https://index.example/simple" }
[[package]]
name = "forked"
version = "2.0"
source = { registry = "https://index.example/simple" }
[[package]]
name = "shop"
version = "1.0"
source = { editable = "." }
"""


def of(folder: Path, files: dict[str, str]) -> Dependencies:
    path = folder / "project.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return Dependencies.of(path)


def key(folder: Path, files: dict[str, str], installer: str = "3.11") -> str:
    return of(folder, files).key(installer)


def test_requirements_win_and_bring_what_they_include(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "acme\n-r more/base.txt\n-c limits.txt\n-r missing.txt\n",
        "more/base.txt": "-r ../other.txt\n",
        "other.txt": "-r requirements.txt\n",
        "limits.txt": "acme<2\n",
        "pyproject.toml": PYPROJECT,
    }
    found = of(tmp_path, files)
    assert set(found.files) == set(files) - {"pyproject.toml"}
    assert found.arguments == ("pytest", "-r", "requirements.txt")
    assert found.project is None
    found.write_to(tmp_path / "laid out")
    assert (tmp_path / "laid out" / "more" / "base.txt").read_text() == "-r ../other.txt\n"


def test_a_pyproject_brings_its_test_extras_and_groups(tmp_path: Path) -> None:
    found = of(tmp_path, {"pyproject.toml": PYPROJECT})
    assert found.arguments == ("pytest", "-r", "pyproject.toml", "--extra=test", "--group=dev")
    assert list(found.files) == ["pyproject.toml"]


@pytest.mark.parametrize("toml", ["[tool.ruff]\n", ""])
def test_a_pyproject_without_a_project_asks_for_pytest_alone(tmp_path: Path, toml: str) -> None:
    assert of(tmp_path, {"pyproject.toml": toml}).arguments == ("pytest",)
    assert of(tmp_path, {}).arguments == ("pytest",)


def test_a_lock_file_keeps_versions(tmp_path: Path) -> None:
    found = of(tmp_path, {"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK})
    assert found.files["ci-constraints.txt"] == b"acme==1.2\n"
    assert found.arguments[-2:] == ("-c", "ci-constraints.txt")
    poetry = '[[package]]\nname = "acme"\nversion = "3.0"\n'
    found = of(tmp_path, {"pyproject.toml": PYPROJECT, "poetry.lock": poetry})
    assert found.files["ci-constraints.txt"] == b"acme==3.0\n"


@pytest.mark.parametrize(
    "line", [".", "-e .", "-e ./lib", "./lib", "lib/acme", "acme @ file:lib", "a-1.whl", "-f wheels"]
)
def test_requirements_of_the_projects_own_files_make_all_of_it_count(tmp_path: Path, line: str) -> None:
    first = of(tmp_path, {"requirements.txt": f"{line}\n", "shop.py": "1"})
    second = of(tmp_path, {"requirements.txt": f"{line}\n", "shop.py": "2"})
    assert first.project
    assert first.key("3.11") != second.key("3.11")


@pytest.mark.parametrize(
    "line",
    [
        "acme>=1 # ./x",
        "# ./x",
        "acme; python_version > '3'",
        "acme @ https://a.test/b.whl",
        "-e git+https://a.test/b",
    ],
)
def test_requirements_of_an_index_leave_the_other_files_out(tmp_path: Path, line: str) -> None:
    assert of(tmp_path, {"requirements.txt": f"{line}\n"}).project is None


@pytest.mark.parametrize(
    "toml",
    [
        '[project]\nname = "a"\nversion = "1"\ndynamic = ["dependencies"]\n',
        '[build-system]\nrequires = ["poetry-core"]\n[tool.poetry]\nname = "a"\n',
        '[project]\nname = "a"\nversion = "1"\n[tool.uv.sources]\nb = { path = "b" }\n',
    ],
    ids=["dynamic", "poetry", "source"],
)
def test_a_pyproject_that_must_be_built_makes_all_of_it_count(tmp_path: Path, toml: str) -> None:
    assert of(tmp_path, {"pyproject.toml": toml}).project


def test_the_key_changes_with_what_is_installed_and_only_with_that(tmp_path: Path) -> None:
    files = {"requirements.txt": "acme\n", "shop.py": "1"}
    same = key(tmp_path, files)
    assert key(tmp_path, {**files, "shop.py": "2"}) == same
    assert key(tmp_path, {**files, "requirements.txt": "acme>1\n"}) != same
    assert key(tmp_path, files, "3.12") != same
    moved = {"requirements.txt": "-r a\n-r b\n", "a": "x", "b": "y"}
    assert key(tmp_path, moved) != key(tmp_path, {**moved, "a": "y", "b": "x"})


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock"])
def test_what_is_no_toml_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotRun, match=f"{name} cannot be read as TOML"):
        of(tmp_path, {"pyproject.toml": PYPROJECT, name: "= ="})


def test_a_file_of_dependencies_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="is larger than"):
        of(tmp_path, {"requirements.txt": "#" * (32 * 1024**2 + 1)})


def test_an_installation_gets_indexes_proxies_and_certificates_and_no_more() -> None:
    own = {"UV_INDEX_URL": "a", "PIP_CERT": "b", "HTTPS_PROXY": "c", "no_proxy": "d", "SSL_CERT_FILE": "e"}
    assert installer_variables({**own, "CI_WEBHOOK_SECRET": "x", "PATH": "y", "UVICORN": "z"}) == own


def test_an_environment_is_used_only_once_it_is_complete(tmp_path: Path) -> None:
    environments = Environments(tmp_path)
    assert not environments.is_complete("a")
    (environments.begin("a") / "half").touch()
    assert not environments.is_complete("a")
    assert list(environments.begin("a").iterdir()) == []
    environments.complete("a")
    assert environments.is_complete("a")


async def test_one_at_a_time_has_the_lock(tmp_path: Path) -> None:
    environments, others = Environments(tmp_path), Environments(tmp_path)
    inside: list[int] = []

    async def work(number: int) -> None:
        async with (environments, others)[number % 2].locked("a"):
            inside.append(number)
            assert len(inside) == 1
            await asyncio.sleep(0)
            inside.clear()

    async with asyncio.timeout(60):
        await asyncio.gather(*map(work, range(10)))
    async with environments.locked("a"):
        assert others.is_locked("a")
        assert not others.is_locked("b")
    assert not others.is_locked("a")


async def test_what_no_job_used_for_long_is_removed_and_nothing_else(tmp_path: Path) -> None:
    environments = Environments(tmp_path / "environments")
    assert environments.remove_unused(1) == 0
    for name in ("old", "new", "used", "busy"):
        environments.begin(name)
        environments.complete(name)
    environments.begin("half")
    environments.uv_cache.mkdir()
    two_days_ago = time.time() - 2 * 86_400
    for path in ("old/complete", "used/complete", "busy/complete", "half", "uv-cache"):
        os.utime(environments.folder / path, (two_days_ago, two_days_ago))
    assert environments.is_complete("used")
    async with environments.locked("busy"):
        assert environments.remove_unused(1) == 2
    left = {path.name for path in environments.folder.iterdir()}
    assert left == {"new", "used", "busy", "busy.lock", "uv-cache"}
