"""A small CI server, and settings of nobody else."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from ci_small_server import KEY, SmallCiServer, Waits

from ci_client import CiClient


@pytest.fixture
def server() -> Generator[SmallCiServer]:
    with SmallCiServer() as server:
        yield server


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def client(server: SmallCiServer, waits: Waits) -> Generator[CiClient]:
    with CiClient(server.url, KEY, sleep=waits) as client:
        yield client


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """None of those of whoever runs the tests."""
    for name in ("CI_SERVER_URL", "CI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture
def settings(server: SmallCiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the small server, in the environment."""
    monkeypatch.setenv("CI_SERVER_URL", server.url)
    monkeypatch.setenv("CI_API_KEY", KEY)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write("a/b.py", "text")`: that file below `tmp_path`."""

    def written(name: str, text: str = "") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return written
