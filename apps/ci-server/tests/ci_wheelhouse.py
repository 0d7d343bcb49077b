"""Wheels of what is installed here, so that no test needs a package index."""

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

PYTEST = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
OF_THE_INSTALLER = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def wheelhouse(folder: Path, distributions: Sequence[str] = PYTEST) -> Path:
    """A new folder below `folder` with wheels of installed distributions: by default pytest and its needs."""
    wheels = folder / "wheelhouse"
    wheels.mkdir()
    for name in distributions:
        _wheel_of(distribution(name), wheels)
    return wheels


def installs_from(wheels: Path) -> dict[str, str]:
    """What a server needs in its environment, so that uv takes wheels from there and nothing from elsewhere."""
    return {"UV_FIND_LINKS": str(wheels), "UV_OFFLINE": "1"}


def made_wheel(
    wheels: Path, name: str, version: str, files: Mapping[str, str], requires: Sequence[str] = ()
) -> Path:
    """A wheel of these modules (path -> text); the name in lower case, with underscores."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    content = {path: text.encode() for path, text in files.items()} | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    return _write(wheels / f"{name}-{version}-py3-none-any.whl", info, content)


def _wheel_of(installed: Distribution, wheels: Path) -> Path:
    info = next(file.parts[0] for file in installed.files or () if file.parts[0].endswith(".dist-info"))
    content = {
        file.as_posix(): file.read_binary()
        for file in installed.files or ()
        if ".." not in file.parts
        and "__pycache__" not in file.parts
        and not (file.parts[0] == info and file.name in OF_THE_INSTALLER)
    }
    tags = [line.split()[1] for line in content[f"{info}/WHEEL"].decode().splitlines() if "Tag:" in line]
    return _write(wheels / f"{info.removesuffix('.dist-info')}-{tags[0]}.whl", info, content)


def _write(path: Path, info: str, content: Mapping[str, bytes]) -> Path:
    record = "".join(f"{name},{_hash(data)},{len(data)}\n" for name, data in content.items())
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in content.items():
            wheel.writestr(name, data)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def _hash(data: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
