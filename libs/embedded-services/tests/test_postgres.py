import os
import socket
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psutil
import pytest

from embedded_services import (
    DataFolderInUse,
    EmbeddedPostgres,
    StartFailed,
    WrongVersion,
)
from embedded_services.postgres_installation import answers_query
from embedded_services.server import free_port

Query = Callable[[str, str], str]
Eventually = Callable[[Callable[[], bool]], None]

# A start that does not get as far as the finished folder, however late it is killed.
NEVER_MADE = """
import sys, time
from pathlib import Path
from embedded_services import EmbeddedPostgres
Path.rename = lambda *_: time.sleep(300)
EmbeddedPostgres(Path(sys.argv[1])).start()
"""


@pytest.mark.parametrize("version", [16, 18])
def test_it_answers_queries_in_the_version_asked_for(
    tmp_path: Path, query: Query, version: Literal[16, 18]
) -> None:
    with EmbeddedPostgres(tmp_path, version=version) as server:
        assert query(server.url, "SHOW server_version").startswith(f"{version}.")


def test_it_listens_on_loopback_only_and_keeps_what_it_is_told(
    running: EmbeddedPostgres, query: Query
) -> None:
    names = ("listen_addresses", "unix_socket_directories", "fsync", "jit", "max_connections", "work_mem")
    values = [query(running.url, f"SHOW {name}") for name in names]
    assert values == ["127.0.0.1", "", "on", "off", "200", "7MB"]


def test_start_and_stop_may_be_repeated(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.stop()
    assert (server.pid, server.exit_code(), server.url) == (None, None, "")
    url = server.start()
    pid = server.pid
    assert server.start() == url
    assert server.pid == pid
    assert server.exit_code() is None
    server.stop()
    server.stop()
    assert (server.pid, server.exit_code()) == (None, 0)


def test_stop_does_not_wait_for_clients(tmp_path: Path, query: Query, eventually: Eventually) -> None:
    server = EmbeddedPostgres(tmp_path)
    url = server.start()
    with ThreadPoolExecutor() as threads:
        client = threads.submit(query, url, "SELECT pg_sleep(300)")
        eventually(
            lambda: query(url, "SELECT count(*) FROM pg_stat_activity WHERE wait_event='PgSleep'") == "1"
        )
        server.stop()
        assert isinstance(client.exception(timeout=60), subprocess.CalledProcessError)
    assert server.exit_code() == 0


def test_a_second_start_on_the_same_folder_is_told_who_holds_it(running: EmbeddedPostgres) -> None:
    folder = running._folder.path
    second = EmbeddedPostgres(folder)
    with pytest.raises(DataFolderInUse, match=f"{folder} is in use by process {os.getpid()}"):
        second.start()
    second.stop()
    assert answers_query(running.url)


def test_two_folders_are_served_at_once(tmp_path: Path, running: EmbeddedPostgres) -> None:
    with EmbeddedPostgres(tmp_path) as other:
        assert answers_query(running.url)
        assert answers_query(other.url)
        addresses = [urlsplit(server.url) for server in (running, other)]
        assert addresses[0].port != addresses[1].port
        assert addresses[0].password != addresses[1].password


@pytest.mark.parametrize("name", ['Müller & Söhne\'s "数据" $HOME ☃', "/".join(["deep" * 10] * 5)])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        with EmbeddedPostgres(tmp_path / name) as server:
            assert answers_query(server.url)


def test_a_relative_folder_is_meant_from_where_the_process_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with EmbeddedPostgres(Path("data")):
        assert (tmp_path / "data" / "pgdata" / "PG_VERSION").exists()


def test_a_folder_may_lie_below_a_private_one(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with EmbeddedPostgres(private / "data") as server:
        assert answers_query(server.url)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_what_was_committed_outlives_a_kill_and_the_restart_keeps_the_address(
    tmp_path: Path, query: Query, eventually: Eventually
) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        url, killed = server.url, server.pid
        assert killed
        query(url, "CREATE TABLE note (text text)")
        query(url, "INSERT INTO note VALUES ('acknowledged')")
        os.kill(killed, 9)
        eventually(lambda: server.exit_code() == -9)
        assert server.start() == url
        assert server.pid != killed
        assert query(url, "SELECT text FROM note") == "acknowledged"


def test_a_busy_backend_of_a_killed_server_is_no_hindrance(
    tmp_path: Path, query: Query, eventually: Eventually, is_running: Callable[[int], bool]
) -> None:
    with EmbeddedPostgres(tmp_path) as server, ThreadPoolExecutor() as threads:
        url, killed = server.url, server.pid
        assert killed
        # A computation, which does not notice that the server is gone as a sleep would.
        busy = "SELECT count(*) FROM generate_series(1, 1e12::bigint)"
        client = threads.submit(query, url, busy)
        active = f"SELECT count(*) FROM pg_stat_activity WHERE query='{busy}' AND state='active'"
        eventually(lambda: query(url, active) == "1")
        backends = [process.pid for process in psutil.Process(killed).children()]
        os.kill(killed, 9)
        eventually(lambda: server.exit_code() == -9)
        assert answers_query(server.start())
        assert client.exception(timeout=60)
        assert not any(map(is_running, backends))


def test_a_process_id_left_behind_that_is_now_someone_elses_is_no_hindrance(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path):
        pid_file = tmp_path / "pgdata" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))
    with EmbeddedPostgres(tmp_path) as server:
        assert answers_query(server.url)


def test_a_making_of_the_folder_that_was_killed_is_begun_again(
    tmp_path: Path,
    start_script: Callable[..., subprocess.Popen[str]],
    eventually: Eventually,
    is_running: Callable[[int], bool],
) -> None:
    process = start_script(NEVER_MADE, tmp_path)
    eventually((tmp_path / "pgdata.new" / "base").exists)
    family = [member.pid for member in psutil.Process(process.pid).children(recursive=True)]
    process.kill()
    eventually(lambda: not any(map(is_running, family)))
    assert not (tmp_path / "pgdata").exists()
    with EmbeddedPostgres(tmp_path) as server:
        assert answers_query(server.url)
    assert not (tmp_path / "pgdata.new").exists()


def test_a_port_that_was_taken_in_the_meantime_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as thief:
        taken = thief.getsockname()[1]
        ports = iter([taken, free_port()])
        with EmbeddedPostgres(tmp_path, pick_port=lambda: next(ports)) as server:
            assert str(taken) not in server.url
            assert answers_query(server.url)


def test_a_folder_of_another_version_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, version=16):
        pass
    with pytest.raises(WrongVersion, match="written by PostgreSQL 16, and this is PostgreSQL 18"):
        EmbeddedPostgres(tmp_path).start()
    with EmbeddedPostgres(tmp_path, version=16) as server:
        assert answers_query(server.url)


def test_the_password_is_the_owners_alone(running: EmbeddedPostgres) -> None:
    folder = running._folder.path
    password = (folder / "password").read_text()
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert password in running.url
    assert not [line for line in lines if password in line]
    assert not answers_query(running.url.replace(password, "wrong"))
    assert not answers_query(running.url.replace(f":{password}", ""))
    for name in ("password", "postgres.log", "lock"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert password not in (folder / "postgres.log").read_text()


def test_a_server_that_does_not_come_up_says_why_and_frees_the_folder(tmp_path: Path) -> None:
    broken = EmbeddedPostgres(tmp_path, settings={"shared_buffers": "plenty"})
    with pytest.raises(StartFailed, match="invalid value for parameter") as failure:
        broken.start()
    assert str(tmp_path / "postgres.log") in str(failure.value)
    with EmbeddedPostgres(tmp_path) as server:
        assert answers_query(server.url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartFailed, match=f"{tmp_path}/file/data must be writable"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_settings_for_other_servers_in_the_environment_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGHOSTADDR": "192.0.2.1", "PGSSLMODE": "verify-full", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres(tmp_path) as server:
        assert answers_query(server.url)


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    with ThreadPoolExecutor() as threads:
        url = threads.submit(server.start).result()
    try:
        assert answers_query(url)
        assert server.exit_code() is None
    finally:
        server.stop()
