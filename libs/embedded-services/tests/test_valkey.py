import os
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from embedded_services import DataFolderInUse, EmbeddedValkey
from embedded_services.server import free_port


def say(url: str, *commands: str, password: str | None = None) -> list[str]:
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), 30) as connection:
        replies = connection.makefile("r")
        answers: list[str] = []
        for command in (f"AUTH {password or address.password}", *commands):
            connection.sendall(f"{command}\r\n".encode())
            answers.append(replies.readline().strip())
        return answers


def test_it_answers_those_who_have_the_password(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        assert server.url.startswith("redis://:")
        assert server.url.endswith("/0")
        assert say(server.url, "SET key value", "PING") == ["+OK", "+OK", "+PONG"]
        assert say(server.url, "PING", password="wrong")[1].startswith("-NOAUTH")


def test_the_password_is_neither_in_the_process_list_nor_on_disk(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        password = urlsplit(server.url).password or ""
        lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        assert not [line for line in lines if password in line]
        assert not [file for file in tmp_path.iterdir() if password in file.read_text()]


def test_it_listens_on_loopback_and_keeps_nothing(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "Zwischen speicher ☃")
    url = server.start()
    assert server.pid
    addresses = {connection.laddr.ip for connection in psutil.Process(server.pid).net_connections()}
    assert addresses == {"127.0.0.1"}
    say(url, "SET key value")
    server.stop()
    server.stop()
    assert (server.pid, server.exit_code()) == (None, 0)
    assert server.start() == url
    assert say(url, "EXISTS key")[1] == ":0"
    server.stop()
    assert sorted(file.name for file in server._folder.path.iterdir()) == ["lock", "valkey.log"]


def test_a_second_start_on_the_same_folder_is_told_who_holds_it(tmp_path: Path) -> None:
    with (
        EmbeddedValkey(tmp_path),
        pytest.raises(DataFolderInUse, match=f"{tmp_path} is in use by process {os.getpid()}"),
    ):
        EmbeddedValkey(tmp_path).start()


def test_its_death_is_noticed_and_it_can_be_started_again(
    tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with EmbeddedValkey(tmp_path) as server:
        assert server.pid
        os.kill(server.pid, 9)
        eventually(lambda: server.exit_code() == -9)
        assert server.pid is None
        assert say(server.start(), "PING")[1] == "+PONG"


def test_a_port_that_was_taken_in_the_meantime_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as thief:
        ports = iter([thief.getsockname()[1], free_port()])
        with EmbeddedValkey(tmp_path, pick_port=lambda: next(ports)) as server:
            assert say(server.url, "PING")[1] == "+PONG"
