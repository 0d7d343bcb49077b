"""Fleet has one version; whatever names it names the same."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NUMBER = r"(\d+\.\d+\.\d+)"
PLACES = {
    "pyproject.toml": rf'^version = "{NUMBER}"$',
    "apps/*/pyproject.toml": rf'^version = "{NUMBER}"$',
    "libs/*/pyproject.toml": rf'^version = "{NUMBER}"$',
    "uv.lock": rf'^version = "{NUMBER}"\nsource = {{ (?:editable|virtual) =',
    "Dockerfile": rf"^ARG VERSION={NUMBER}$",
    "docker-compose.yml": rf"FLEET_VERSION:-{NUMBER}}}",
    "helm/fleet/Chart.yaml": rf"^(?:version|appVersion): {NUMBER}$",
}
"""Files, and how each of them says the version."""
MAY_NAME_IT = {
    ".env.example": rf"FLEET_VERSION={NUMBER}",
    "docs/**/*.*": rf"(?:ghcr\.io/fleet/[$a-z/-]+:|--version |refs/tags/v){NUMBER}",
}
CHANGED = (
    ".ci",
    ".env.example",
    "CHANGELOG.md",
    "Dockerfile",
    "README.md",
    "docker-compose.yml",
    "docs",
    "helm",
    "uv.lock",
)
"""What the release command needs, or changes."""


def _versions(root: Path, files: str, pattern: str) -> dict[str, list[str]]:
    return {
        str(path.relative_to(root)): re.findall(pattern, path.read_text(), re.MULTILINE)
        for path in sorted(root.glob(files))
    }


def _version(root: Path) -> str:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize("files", PLACES)
def test_every_place_names_the_one_version(files: str) -> None:
    named = _versions(ROOT, files, PLACES[files])
    assert named
    assert {name: set(versions) for name, versions in named.items()} == {
        name: {_version(ROOT)} for name in named
    }


@pytest.mark.parametrize("files", MAY_NAME_IT)
def test_no_place_names_another_version(files: str) -> None:
    named = _versions(ROOT, files, MAY_NAME_IT[files])
    assert {version for versions in named.values() for version in versions} <= {_version(ROOT)}


def test_no_source_has_a_version_of_its_own() -> None:
    sources = {**_versions(ROOT, "apps/*/src/**/*.py", rf'version="{NUMBER}"')}
    sources |= _versions(ROOT, "libs/*/src/**/*.py", rf'version="{NUMBER}"')
    assert [name for name, versions in sources.items() if versions] == []


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what names the version, after the release command for 7.8.9."""
    copy = tmp_path_factory.mktemp("released")
    for name in CHANGED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    for project in [ROOT / "pyproject.toml", *ROOT.glob("[al][pi][pb]s/*/pyproject.toml")]:
        target = copy / project.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project, target)
    subprocess.run(["bash", ".ci/set-version", "7.8.9"], cwd=copy, check=True)
    return copy


@pytest.mark.parametrize("files", [*PLACES, *MAY_NAME_IT])
def test_the_release_command_writes_the_version_everywhere(released: Path, files: str) -> None:
    named = _versions(released, files, (PLACES | MAY_NAME_IT)[files])
    written = {version for versions in named.values() for version in versions}
    assert named
    assert written == {"7.8.9"} or (files in MAY_NAME_IT and not written)


def test_the_release_command_closes_the_section_of_the_changelog(released: Path) -> None:
    headings = re.findall(r"^## .*", (released / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "## Unreleased"
    assert re.fullmatch(r"## 7\.8\.9 \(\d{4}-\d\d-\d\d\)", headings[1])


@pytest.mark.parametrize("said", ["", "v1.2.3", "1.2", "1.2.3-rc.1", "1.2.3/e;q"])
def test_the_release_command_refuses_what_is_no_version(said: str) -> None:
    refused = subprocess.run(["bash", ".ci/set-version", said], cwd=ROOT, check=False, capture_output=True)
    assert refused.returncode == 2
