"""Where a ToolHive is looked for, and what is taken for one."""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from counted_waits import under_way, until
from loopback_http import Told
from toolhive_answers import SECRET
from toolhive_server import VERSION, ToolhiveServer

from toolhive_client import Places, ToolhiveClient, ToolhiveNotFound
from toolhive_client.discovery import search
from toolhive_client.discovery.discovery_file import discovery_file
from toolhive_client.transport.loopback import is_loopback

NOWHERE = "http://127.0.0.1:1"


def announce(folder: Path, toolhive: ToolhiveServer, **other: Any) -> Path:
    """The discovery file of `toolhive`, but for what is `other`."""
    told = {
        "url": toolhive.url,
        "pid": 4711,
        "nonce": toolhive.nonce,
        "started_at": "2026-11-20T09:00:00Z",
    }
    return written(folder, json.dumps(told | other))


def written(folder: Path, text: str) -> Path:
    file = folder / "server.json"
    file.write_text(text)
    return file


async def found(
    file: Path | None = None, url: str = NOWHERE, ports: Sequence[int] = (), seconds: float = 30
) -> str:
    """The version of the ToolHive that is found."""
    async with ToolhiveClient(places=Places(file, url, ports), timeout_seconds=seconds) as client:
        return await client.get_version()


async def test_it_is_where_its_file_says(toolhive: ToolhiveServer, tmp_path: Path) -> None:
    file = announce(tmp_path, toolhive)
    with ToolhiveServer(version="v99.0.0") as other:
        assert await found(file, other.url, [other.port]) == toolhive.version
        assert not other.asked
    assert toolhive.asked["/health"] == 1


async def test_a_slash_at_the_end_of_its_url_is_none_too_many(
    toolhive: ToolhiveServer, tmp_path: Path
) -> None:
    await found(announce(tmp_path, toolhive, url=f"{toolhive.url}/"))
    assert set(toolhive.asked) == {"/health", VERSION}


@pytest.mark.parametrize(
    "other", [{"nonce": "of another start"}, {"nonce": ""}, {"url": NOWHERE}, {"url": 7}]
)
async def test_a_file_that_is_not_of_this_start_is_passed_over(
    toolhive: ToolhiveServer, tmp_path: Path, other: dict[str, Any]
) -> None:
    file = announce(tmp_path, toolhive, **other)
    with ToolhiveServer(version="v99.0.0") as usual:
        assert await found(file, usual.url) == "v99.0.0"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '"url"', "\x00", "[" * 100_000, "x" * 10_000_000]
)
async def test_a_file_that_cannot_be_read_is_passed_over(
    toolhive: ToolhiveServer, tmp_path: Path, text: str
) -> None:
    assert await found(written(tmp_path, text), toolhive.url) == toolhive.version


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, link_to_itself])
async def test_so_is_what_is_no_file(
    toolhive: ToolhiveServer, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "server.json")
    assert await found(tmp_path / "server.json", toolhive.url) == toolhive.version


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        *(("http://127.0.0.1:8080", True), ("http://127.9.9.9", True), ("https://[::1]:1/x", True)),
        *(("http://localhost:50000", True), ("HTTP://LOCALHOST", True)),
        *(("http://10.0.0.1", False), ("http://example.com", False), ("http://localhost.example.com", False)),
        *(("unix:///run/thv.sock", False), ("npipe:////./pipe/thv", False), ("ftp://127.0.0.1", False)),
        *(("http://127.0.0.1:99999", False), ("http://127.0.0.1:-1", False), ("http://127.0.0.1:0", False)),
        *(("http://[::1", False), ("http://", False), ("", False), ("http://127.0.0.1@example.com", False)),
    ],
)
def test_only_what_is_on_this_machine_is_believed(url: str, is_here: bool) -> None:
    assert is_loopback(url) is is_here


@pytest.mark.parametrize("url", ["http://example.com", "unix:///run/thv.sock"])
async def test_a_file_that_leads_elsewhere_is_passed_over(
    toolhive: ToolhiveServer, tmp_path: Path, url: str
) -> None:
    assert await found(announce(tmp_path, toolhive, url=url), toolhive.url) == toolhive.version


def test_the_file_is_in_the_folder_of_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert discovery_file() == tmp_path / "toolhive" / "server" / "server.json"
    assert Places().file == discovery_file()


@pytest.mark.parametrize("state", [None, "", "relative/state"])
def test_which_is_in_the_home_folder_unless_another_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    if state is not None:
        monkeypatch.setenv("XDG_STATE_HOME", state)
    assert discovery_file() == tmp_path / ".local" / "state" / "toolhive" / "server" / "server.json"


def test_who_has_no_home_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "~")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert discovery_file() is None


def test_it_looks_in_the_usual_places() -> None:
    places = Places()
    assert (places.url, places.ports[0], places.ports[-1]) == ("http://127.0.0.1:8080", 50_000, 50_100)


@pytest.mark.parametrize(
    "told",
    [
        Told(404, b'{"version": "v1.0.0"}'),
        Told(200, b"<html>Hello</html>"),
        Told(200, b"{}"),
        Told(200, b'{"version": 1}'),
        Told(200, b'{"version": ""}'),
        Told(302, headers={"Location": f"{NOWHERE}{VERSION}"}),
        Told(0),
    ],
)
async def test_another_service_is_not_taken_for_a_toolhive(toolhive: ToolhiveServer, told: Told) -> None:
    with ToolhiveServer() as service:
        service.answer_instead("*", told)
        ports = [service.port, toolhive.port]
        assert await found(url=service.url, ports=ports) == toolhive.version


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["v0.9.1", "v0.10.0", "v0.2.0"], "v0.10.0"),
        (["v0.10.0-rc.1", "v0.10.0", "dev"], "v0.10.0"),
        (["dev", "v0.0.1"], "v0.0.1"),
        (["unknown"], "unknown"),
    ],
)
async def test_of_several_the_newest_is_taken(versions: Sequence[str], newest: str) -> None:
    servers = [ToolhiveServer(version=version) for version in versions]
    for server in servers:
        server.__enter__()
    try:
        assert await found(ports=[server.port for server in servers]) == newest
    finally:
        for server in servers:
            server.__exit__(None, None, None)


async def test_ports_that_answer_nothing_hold_it_up_for_a_second_at_the_most(
    toolhive: ToolhiveServer, patience: pytest.MonkeyPatch, skip_ahead: Callable[[float], None]
) -> None:
    with ToolhiveServer() as silent, ToolhiveServer() as mute:
        silent.seconds["*"] = mute.seconds["*"] = 3600
        finding = asyncio.create_task(found(url=silent.url, ports=[mute.port, toolhive.port], seconds=600))
        await until(lambda: silent.asked)
        skip_ahead(search._SECONDS)
        await until(lambda: mute.asked and toolhive.asked and under_way("_version") == 1)
        skip_ahead(search._SECONDS)
        assert await finding == toolhive.version
    patience.undo()
    assert search._SECONDS == 1


async def test_where_there_is_none_it_says_where_it_looked(tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps({"url": NOWHERE, "nonce": SECRET}))
    with pytest.raises(ToolhiveNotFound) as failed:
        await found(file, ports=range(1, 4))
    assert str(failed.value) == (
        f"No ToolHive was found, neither by its discovery file nor at {NOWHERE}, nor on ports 1 to 3; "
        "start one (`thv serve`), or set TOOLHIVE_URL."
    )
